import { describe, expect, it } from 'vitest';
import { invariant } from '../../../src/common/invariant.js';
import { makeRng } from '../../../src/common/rng.js';
import { encodeModel } from '../../../src/onnx/codec.js';
import type { OnnxModel } from '../../../src/onnx/ir.js';
import { encodePredictor } from '../../../src/predictors/file.js';
import { sampleRows, withoutIdleUnits, withShortcuts } from '../../../src/predictors/lean.js';
import { ensembleMacs, ensembleModel, type MlpEnsemble, shortestMacs } from '../../../src/predictors/mlp-graph.js';
import { type AccuracyPredictor, loadPredictor } from '../../../src/predictors/predictor.js';
import { createSession } from '../../../src/runtime/session.js';
import type { EncodedObjective } from '../../../src/search/types.js';
import { encodeArchs, encodingLength } from '../../../src/space/encoding.js';
import { sampleArch } from '../../../src/space/sample.js';
import type { SearchSpace } from '../../../src/space/types.js';
import { loadBundle } from '../../../src/supernet/bundle.js';
import { floats } from '../../../src/tensor/tensor.js';
import { MBV3_W10 } from '../space/published-spaces.js';

const ROWS = 2_100; // two full batches of 1,024 and a rest

interface Subject {
  readonly space: SearchSpace;
  readonly load: (threads: number) => Promise<AccuracyPredictor>;
}

/** The bundled predictor. */
async function bundled(): Promise<Subject> {
  const dir = 'models/fashion-mnist';
  const { supernet } = await loadBundle(dir);
  const { space, sha256: weightsSha256 } = supernet;
  return { space, load: (threads) => loadPredictor(dir, { space, weightsSha256 }, { threads }) };
}

/** One as wide as the published ones, of random weights: wide enough that threads share a product. */
const wide = (): Promise<Subject> => subjectOf(ensembleOf([400, 400]));

/** One of three hidden layers, in the second of which most units rest: a few rows of a hundred wake one. */
const resting = (): Promise<Subject> => subjectOf(ensembleOf([400, 400, 400], -3.4));

/** @param rest what seven of eight units of the second hidden layer have more in their biases */
function ensembleOf(hidden: readonly number[], rest = 0): MlpEnsemble {
  const space = MBV3_W10;
  const { resolutions } = space;
  const rng = makeRng(41);
  const sizes = [encodingLength(space, resolutions), ...hidden, 1];
  const layers = sizes.slice(1).map((outputs, i) => {
    const draw = (dims: readonly number[], scale: number) =>
      floats(
        dims,
        Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => scale * rng.normal()),
      );
    return { weight: draw([outputs, sizes[i]!], Math.sqrt(2 / sizes[i]!)), bias: draw([outputs], 0.1) };
  });
  for (let unit = 0; unit < 400; unit++) if (unit % 8 > 0) layers[1]!.bias.data[unit]! += rest;
  return { members: [{ layers }], mean: 0.75, std: 0.01 };
}

async function subjectOf(ensemble: MlpEnsemble): Promise<Subject> {
  const space = MBV3_W10;
  const { resolutions } = space;
  const imported = { form: 'ofa.nas', fileSha256: 'f'.repeat(64) } as const;
  const bytes = encodePredictor(ensemble, { spaceId: space.id, resolutions, imported });
  return { space, load: (threads) => loadPredictor(bytes, { space, weightsSha256: 'a'.repeat(64) }, { threads }) };
}

const encodedOf = (predictor: AccuracyPredictor): EncodedObjective => {
  const { encoded } = predictor.asObjective();
  invariant(encoded !== undefined, () => 'a predictor has slopes');
  return encoded;
};

/** What an answer is for the rows in batches of a size, each a view into all rows; the first `most` rows. */
async function inBatches(
  ask: EncodedObjective['score'],
  rows: Float32Array,
  { features, size, most }: { readonly features: number; readonly size: number; readonly most: number },
): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for (let at = 0; at < most; at += size) {
    parts.push(await ask(rows.subarray(at * features, Math.min(most, at + size) * features)).take());
  }
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** How many values differ in their bits. */
function differing(a: Float32Array, b: Float32Array): number {
  const [x, y] = [a, b].map(({ buffer, byteOffset, length }) => new Int32Array(buffer, byteOffset, length));
  let count = Math.abs(x!.length - y!.length);
  for (let i = 0; i < Math.min(x!.length, y!.length); i++) if (x![i] !== y![i]) count++;
  return count;
}

describe.each([
  ['the bundled predictor', bundled],
  ['a predictor as wide as the published ones', wide],
  ['a predictor most of whose units rest', resting],
] as const)('the encoded objective of %s', (_, make) => {
  it('scores rows to the bit as architectures, and both alike whatever the batch and the threads', async () => {
    const { space, load } = await make();
    let expectedScores: Float32Array | undefined;
    let expectedSlopes: Float32Array | undefined;
    for (const threads of [1, 2, 3]) {
      const predictor = await load(threads);
      try {
        const rng = makeRng(42);
        const { resolutions } = predictor;
        const archs = Array.from({ length: ROWS }, () => sampleArch(space, rng, { resolutions }));
        const rows = encodeArchs(space, archs, undefined, resolutions);
        const features = rows.length / ROWS;
        const { score, slopes } = encodedOf(predictor);
        expectedScores ??= await score(rows).take();
        expectedSlopes ??= await slopes(rows).take();
        expect(expectedScores.length).toBe(ROWS);
        expect(new Set(expectedScores).size).toBeGreaterThan(ROWS / 2);
        expect(expectedSlopes.length).toBe(rows.length);
        expect(differing(await predictor.score(archs), expectedScores)).toBe(0);
        for (const size of [1, 7, 301, 1_500, ROWS]) {
          const most = size === 1 ? 40 : size === 7 ? 350 : ROWS;
          const batches = { features, size, most };
          const [found, gains] = [await inBatches(score, rows, batches), await inBatches(slopes, rows, batches)];
          const where = `${threads} threads, batches of ${size}`;
          expect(differing(found, expectedScores.subarray(0, most)), `scores, ${where}`).toBe(0);
          expect(differing(gains, expectedSlopes.subarray(0, most * features)), `slopes, ${where}`).toBe(0);
        }
      } finally {
        await predictor.release();
      }
    }
  });

  it('has slopes that tell to first order what a change does to its own score', async () => {
    // Steps of 1/32 in a one-hot: wide enough for float32, narrow enough that most ReLUs stay on their side.
    const { space, load } = await make();
    const predictor = await load(1);
    try {
      const rng = makeRng(43);
      const { resolutions } = predictor;
      const archs = Array.from({ length: 30 }, () => sampleArch(space, rng, { resolutions }));
      const rows = encodeArchs(space, archs, undefined, resolutions);
      const features = rows.length / archs.length;
      const { score, slopes } = encodedOf(predictor);
      const told = await slopes(rows).take();
      const moved = [1 / 32, -1 / 32].map((step) => {
        const copy = rows.slice();
        for (let row = 0; row < archs.length; row++) copy[row * features + ((7 * row) % features)]! += step;
        return copy;
      });
      const [above, below] = [await score(moved[0]!).take(), await score(moved[1]!).take()];
      let [error, size] = [0, 0];
      for (let row = 0; row < archs.length; row++) {
        const slope = told[row * features + ((7 * row) % features)]!;
        const expected = (above[row]! - below[row]!) / (1 / 16);
        error += (slope - expected) ** 2;
        size += expected ** 2;
      }
      expect(size).toBeGreaterThan(0);
      expect(Math.sqrt(error / size)).toBeLessThan(0.1);
    } finally {
      await predictor.release();
    }
  });
});

describe('a large predictor that is loaded', () => {
  it('passes by the units that rest: its scores are to the bit those of the shortcut, and not all those of all layers', async () => {
    const ensemble = ensembleOf([400, 400, 400], -3.4);
    const { space, load } = await resting();
    const { resolutions } = space;
    const rng = makeRng(44);
    const archs = Array.from({ length: 300 }, () => sampleArch(space, rng, { resolutions }));
    const rows = encodeArchs(space, archs, undefined, resolutions);
    const quick = await withShortcuts(withoutIdleUnits(ensemble), sampleRows(space, resolutions));
    expect(quick.members[0]!.shortcut?.hidden).toBe(1);
    expect(shortestMacs(quick)).toBeLessThan(0.8 * ensembleMacs(ensemble));
    const scoresOf = async (model: OnnxModel): Promise<Float32Array> => {
      const session = await createSession(encodeModel(model), { threads: 1, optimization: 'all' });
      const { top1 } = await session.run({ encoding: floats([300, rows.length / 300], rows) });
      await session.release();
      return top1!.data as Float32Array; // the model's only output is float32
    };
    const predictor = await load(1);
    try {
      const found = await encodedOf(predictor).score(rows).take();
      expect(differing(found, await scoresOf(ensembleModel(quick)))).toBe(0);
      const whole = await scoresOf(ensembleModel(ensemble));
      expect(differing(found, whole)).toBeGreaterThan(0);
      found.forEach((score, row) => {
        expect(score).toBeCloseTo(whole[row]!, 6);
      });
    } finally {
      await predictor.release();
    }
  });
});
