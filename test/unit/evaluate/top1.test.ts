import { describe, expect, it } from 'vitest';
import { correctGuesses, labelLeads, measureTop1, readModelInput } from '../../../src/evaluate/top1.js';
import { GraphBuilder, ints } from '../../../src/onnx/builder.js';
import { encodeModel } from '../../../src/onnx/codec.js';
import { createSession } from '../../../src/runtime/session.js';
import { floats } from '../../../src/tensor/tensor.js';

const input = {
  channels: 1,
  channelOrder: 'grey',
  range: [0, 1],
  mean: [0.5],
  std: [0.25],
  resize: 'bilinear',
  antialias: true,
  cropFraction: 1,
  resolution: 4,
};

/** Logits [m, -m, -1] of the mean prepared pixel m: class 0 for bright images, 1 for dark ones, 2 never unless m is below 1 in size. */
function brightness(metadata: Record<string, string>): Uint8Array {
  const graph = new GraphBuilder('brightness');
  const x = graph.input('input', 'float32', ['N', 1, 4, 4]);
  const mean = graph.node('ReduceMean', [x], { attributes: { axes: ints([2, 3]) } });
  const flat = graph.node('Flatten', [mean]);
  const scale = graph.initializer('scale', floats([1, 3], [1, -1, 0]));
  const shift = graph.initializer('shift', floats([3], [0, 0, 1]));
  const logits = graph.node('Add', [graph.node('MatMul', [flat, scale]), shift], { name: 'logits' });
  graph.output(logits, 'float32', ['N', 3]);
  return encodeModel(graph.model(metadata));
}

/** Images 8 x 8 of one brightness each. */
function flatImages(levels: readonly number[], labels?: readonly number[]) {
  const pixels = Uint8Array.from({ length: levels.length * 64 }, (_, i) => levels[Math.floor(i / 64)]!);
  const set = { count: levels.length, height: 8, width: 8, channels: 1, pixels };
  return labels === undefined ? set : { ...set, labels: Uint8Array.from(labels) };
}

describe('measured top-1', () => {
  const model = brightness({ 'bespoke.input': JSON.stringify(input) });

  it('prepares images as the metadata says, over uneven batches', async () => {
    // (p / 255 - 0.5) / 0.25: 255 -> 2 (class 0), 0 -> -2 (class 1), 128 -> 0.008 (class 2), 191 -> 0.996 (2), 192 -> 1.012 (0)
    const levels = [255, 0, 128, 191, 192];
    const right = [0, 1, 2, 2, 0];
    expect(await measureTop1(model, flatImages(levels, right), { threads: 1, batch: 2 })).toEqual({
      top1: 1,
      images: 5,
    });
    const wrongTwice = [1, 1, 2, 0, 0];
    expect((await measureTop1(model, flatImages(levels, wrongTwice), { threads: 1, batch: 3 })).top1).toBeCloseTo(
      3 / 5,
      12,
    );
  });

  it('tells by how much the label leads its strongest rival, above 0 where the guess is right', async () => {
    const session = await createSession(model, { threads: 1, optimization: 'all' });
    try {
      // Flat images of mean m have the logits [m, -m, 1].
      const means = [2, -3, 0.5, 2, Number.NaN];
      const images = floats(
        [5, 1, 4, 4],
        Float32Array.from({ length: 80 }, (_, i) => means[i >> 4]!),
      );
      const labels = [0, 1, 0, 2, 0];
      const leads = await labelLeads(session, images, labels, { batch: 2 });
      expect([...leads]).toEqual([1, 2, -0.5, -1, Number.NaN]);
      expect(Array.from(leads, (lead) => (lead > 0 ? 1 : 0))).toEqual([
        ...(await correctGuesses(session, images, labels)),
      ]);
    } finally {
      await session.release();
    }
  });

  it('asks before each batch whether it may go on', async () => {
    let asked = 0;
    const pause = async () => {
      asked++;
      return false;
    };
    await measureTop1(model, flatImages([255, 0, 128, 191, 192], [0, 1, 2, 2, 0]), { threads: 1, batch: 2, pause });
    expect(asked).toBe(4); // and before the session is made
  });

  it('fills the runs of a model of a fixed batch', async () => {
    const graph = new GraphBuilder('fixed');
    const x = graph.input('input', 'float32', [16, 1, 4, 4]);
    const mean = graph.node('ReduceMean', [x], { attributes: { axes: ints([2, 3]) } });
    const flat = graph.node('Flatten', [mean]);
    const scale = graph.initializer('scale', floats([1, 2], [1, -1]));
    graph.output(graph.node('MatMul', [flat, scale], { name: 'logits' }), 'float32', [16, 2]);
    const fixed = encodeModel(graph.model({ 'bespoke.input': JSON.stringify(input) }));
    let asked = 0;
    const pause = async () => {
      asked++;
      return false;
    };
    const levels = Array.from({ length: 64 }, (_, index) => (index % 2 === 0 ? 255 : 0));
    const images = flatImages(
      levels,
      levels.map((level) => (level === 255 ? 0 : 1)),
    );
    expect(await measureTop1(fixed, images, { threads: 1, pause })).toEqual({ top1: 1, images: 64 });
    expect(asked).toBe(3); // two batches of twice 16, and before the session is made
  });

  it('does not count an answer that is not a number as right', async () => {
    const nan = brightness({ 'bespoke.input': JSON.stringify({ ...input, std: [0] }) }); // 0 / 0 at the mean level
    const half = { ...input, mean: [0], std: [0] };
    const model2 = brightness({ 'bespoke.input': JSON.stringify(half) });
    expect((await measureTop1(model2, flatImages([0], [0]), { threads: 1 })).top1).toBe(0);
    expect((await measureTop1(nan, flatImages([255], [0]), { threads: 1 })).images).toBe(1);
  });

  it('refuses what it cannot read', async () => {
    const none = measureTop1(brightness({}), flatImages([0], [0]), { threads: 1 });
    await expect(none).rejects.toThrow(/bespoke\.input.*missing/);
    expect(() => readModelInput({ 'bespoke.input': '{"resolution": 28}' })).toThrow(/must state/);
    expect(() => readModelInput({ 'bespoke.input': 'not json' })).toThrow(/must state/);
    expect(readModelInput({ 'bespoke.input': JSON.stringify(input) })).toEqual(input);
    await expect(measureTop1(model, flatImages([0]), { threads: 1 })).rejects.toThrow(/labeled images/);
  });
});
