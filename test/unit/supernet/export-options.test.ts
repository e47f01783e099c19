import * as web from 'onnxruntime-web';
import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { prepareImages } from '../../../src/data/prepare-images.js';
import { measureParity } from '../../../src/evaluate/parity.js';
import { measureTop1, readModelInput } from '../../../src/evaluate/top1.js';
import { assertStandardOperators, checkModel } from '../../../src/onnx/check.js';
import { decodeModel } from '../../../src/onnx/codec.js';
import { createSession } from '../../../src/runtime/session.js';
import { maxArch } from '../../../src/space/arch.js';
import { lower } from '../../../src/space/lower.js';
import { type ExportOptions, exportedInput, fillExport, NORMALIZATIONS } from '../../../src/supernet/export-options.js';
import { extractSubnet } from '../../../src/supernet/extract.js';
import { sliceSubnet } from '../../../src/supernet/slice.js';
import type { ImageSet, InputSpec } from '../../../src/supernet/types.js';
import type { FloatTensor } from '../../../src/tensor/tensor.js';
import { randomStatistics, randomSupernet, tinySpace } from '../../helpers/supernets.js';

/** A range that is not 0..1, so that scaling to it is seen. */
const input: InputSpec = {
  channels: 3,
  channelOrder: 'rgb',
  range: [-1, 1],
  mean: [0.1, -0.2, 0.3],
  std: [0.5, 0.6, 0.7],
  resize: 'bilinear',
  antialias: true,
  cropFraction: 1,
};
/** Other order of float32 rounding than where pixels are normalized outside. */
const TOLERANCE = 1e-5;
const OPSETS = [13, 14, 15, 16, 17, 18, 19, 20, 21];

const space = tinySpace();
const supernet = randomSupernet(space, 21);
const arch = maxArch(space);
const layers = lower(space, arch);
const subnet = sliceSubnet(supernet, arch, layers);
const statistics = randomStatistics(subnet, 22);
const source = { supernet, input, classNames: [] };
const side = arch.resolution;

const exported = (options: Partial<ExportOptions> = {}) =>
  extractSubnet(source, subnet, statistics, fillExport(options));

const pixelRng = makeRng(5);
const images: ImageSet = {
  count: 5,
  height: side,
  width: side,
  channels: 3,
  pixels: Uint8Array.from({ length: 5 * side * side * 3 }, () => pixelRng.int(256)),
  labels: Uint8Array.of(0, 1, 2, 3, 4),
};
const prepared = (spec: InputSpec, count = images.count): FloatTensor =>
  prepareImages(
    images,
    Array.from({ length: count }, (_, i) => i),
    spec,
    side,
  );

async function run(
  model: Uint8Array,
  x: FloatTensor,
): Promise<{ name: string; dims: readonly number[]; data: number[] }> {
  const session = await createSession(model, { threads: 1, optimization: 'all' });
  try {
    const [[name, { dims, data }]] = Object.entries(await session.run({ input: x })) as [[string, FloatTensor]];
    return { name, dims, data: Array.from(data) };
  } finally {
    await session.release();
  }
}

function expectSame(actual: readonly number[], expected: readonly number[]): void {
  const largest = Math.max(...expected.map(Math.abs));
  expect(actual).toHaveLength(expected.length);
  expect(Math.max(...actual.map((value, i) => Math.abs(value - expected[i]!))) / largest).toBeLessThan(TOLERANCE);
}

describe('a model exported with options', () => {
  it('is the plain one, to the byte, where nothing is asked for', () => {
    const plain = extractSubnet(source, subnet, statistics);
    expect(Buffer.from(exported().model).equals(plain.model)).toBe(true);
    expect(plain.onnx.metadata['bespoke.export']).toBeUndefined();
  });

  it.each(OPSETS)('runs with operator set %i, natively and in WebAssembly, with the same numbers', async (opset) => {
    const { model } = exported({ opset, softmax: true, normalize: 'bytes' });
    const decoded = decodeModel(model);
    checkModel(decoded);
    assertStandardOperators(decoded);
    expect(decoded.opsets).toEqual({ '': opset });
    const pixels = prepared(exportedInput(input, 'bytes'));
    const expected = await run(exported({ softmax: true, normalize: 'bytes' }).model, pixels);
    expectSame((await run(model, pixels)).data, expected.data);
    web.env.wasm.numThreads = 1;
    const session = await web.InferenceSession.create(model, { executionProviders: ['wasm'] });
    const { probabilities } = await session.run({ input: new web.Tensor('float32', pixels.data, pixels.dims) });
    await session.release();
    expectSame(Array.from(probabilities!.data as Float32Array), expected.data);
  });

  it.each(NORMALIZATIONS)('that normalizes "%s" takes what its metadata says', async (normalize) => {
    const { model, onnx } = exported({ normalize });
    const { resolution, ...spec } = readModelInput(onnx.metadata);
    expect(resolution).toBe(side);
    expect(spec.range).toEqual({ none: [-1, 1], unit: [0, 1], bytes: [0, 255] }[normalize]);
    const plain = await run(exported().model, prepared(input));
    expectSame((await run(model, prepared(spec))).data, plain.data);
    if (normalize === 'bytes') {
      // by hand: the bytes themselves, channel by channel
      const { data } = prepared(spec, 1);
      expect(data[side * side + 7]).toBeCloseTo(images.pixels[7 * 3 + 1]!, 4);
    }
  });

  it('with softmax gives the probabilities of the logits, computed here in float64', async () => {
    const logits = await run(exported().model, prepared(input));
    const result = await run(exported({ softmax: true }).model, prepared(input));
    expect([logits.name, result.name]).toEqual(['logits', 'probabilities']);
    const expected: number[] = [];
    for (let image = 0; image < images.count; image++) {
      const powers = logits.data.slice(image * 5, image * 5 + 5).map(Math.exp);
      const sum = powers.reduce((total, value) => total + value, 0);
      expected.push(...powers.map((value) => value / sum));
    }
    expectSame(result.data, expected);
  });

  it('with a fixed batch takes that many images, and refuses others', async () => {
    const { model, onnx } = exported({ batch: 2 });
    expect(onnx.graph.inputs[0]!.dims).toEqual([2, 3, side, side]);
    expect(onnx.graph.outputs[0]!.dims).toEqual([2, 5]);
    const two = await run(model, prepared(input, 2));
    expect(two.dims).toEqual([2, 5]);
    expectSame(two.data, (await run(exported().model, prepared(input, 2))).data);
    await expect(run(model, prepared(input, 1))).rejects.toThrow(/invalid dimensions|Got: 1 Expected: 2/);
    await expect(run(model, prepared(input, 3))).rejects.toThrow(/invalid dimensions|Got: 3 Expected: 2/);
  });

  it('says in its metadata what was chosen, and all else as ever', () => {
    const { metadata } = exported({ batch: 1, opset: 13, normalize: 'unit', softmax: true }).onnx;
    expect(JSON.parse(metadata['bespoke.export']!)).toEqual({ batch: 1, normalize: 'unit', opset: 13, softmax: true });
    expect(metadata['bespoke.arch']).toBe(exported().onnx.metadata['bespoke.arch']);
  });

  it('has as many parameters as the plain one', () => {
    const options = { batch: 3, normalize: 'bytes', softmax: true } as const;
    expect(exported(options).modelParams).toBe(exported().modelParams);
  });

  it.each<Partial<ExportOptions>>([
    { batch: 2 },
    { softmax: true },
    { normalize: 'bytes' },
    { batch: 3, softmax: true, normalize: 'unit', opset: 13 },
  ])('is in parity with the masked supernet and keeps its top-1: %j', async (given) => {
    const options = fillExport(given);
    const { model } = exported(given);
    const taken = prepared(exportedInput(input, options.normalize));
    const subject = { model, supernet, layers, statistics, exported: { options, images: taken } };
    const parity = await measureParity(subject, prepared(input), { threads: 1, batch: 4 });
    expect(parity.images).toBe(5);
    expect(parity.relative).toBeLessThan(TOLERANCE);
    const plain = await measureTop1(exported().model, images, { threads: 1 });
    expect(await measureTop1(model, images, { threads: 1, batch: 4 })).toEqual(plain);
    const wrong = { ...subject, exported: { options, images: prepared({ ...input, mean: [9, 9, 9] }) } };
    expect((await measureParity(wrong, prepared(input), { threads: 1 })).relative).toBeGreaterThan(1e-3);
  });
});

describe('export options are refused', () => {
  it.each([
    [{ opset: 12 }, 'export option "opset" must be a whole number from 13 to 21'],
    [{ opset: 22 }, 'got 22'],
    [{ opset: 17.5 }, 'got 17.5'],
    [{ batch: 0 }, 'export option "batch" must be a whole number from 1 to 64, got 0'],
    [{ batch: 65 }, 'got 65'],
    [{ normalize: 'imagenet' }, 'export option "normalize" must be one of none, unit, bytes, got "imagenet"'],
    [{ softmax: 'yes' }, 'export option "softmax" must be true or false, got "yes"'],
    [{ dtype: 'float16' }, '"dtype" is no export option; there are batch, softmax, normalize, opset'],
  ])('%j', (given, message) => {
    expect(() => fillExport(given as Partial<ExportOptions>)).toThrow(message);
  });
});
