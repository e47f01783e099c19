import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { encodePredictor, PREDICTOR_FILES, type PredictorBytes } from '../../../src/predictors/file.js';
import type { MlpEnsemble } from '../../../src/predictors/mlp-graph.js';
import { type AccuracyPredictor, loadPredictor } from '../../../src/predictors/predictor.js';
import { encodeArch, encodingLength } from '../../../src/space/encoding.js';
import { sampleArch } from '../../../src/space/sample.js';
import { floats } from '../../../src/tensor/tensor.js';
import { tinySpace } from '../../helpers/supernets.js';

const space = tinySpace();
const target = { space, weightsSha256: 'a'.repeat(64) };

/** Two members of one hidden layer, random weights. */
function randomEnsemble(features: number): MlpEnsemble {
  const rng = makeRng(8);
  const draw = (dims: readonly number[], size: number) =>
    floats(
      dims,
      Float32Array.from({ length: size }, () => 0.3 * rng.normal()),
    );
  const layer = (inSize: number, outSize: number) => ({
    weight: draw([outSize, inSize], outSize * inSize),
    bias: draw([outSize], outSize),
  });
  return { members: [0, 1].map(() => ({ layers: [layer(features, 6), layer(6, 1)] })), mean: 0.9, std: 0.01 };
}

const facts = {
  spaceId: space.id,
  weightsSha256: target.weightsSha256,
  resolutions: [15],
  trainedOn: 100,
  labelImages: 3000,
  seed: 1,
  quality: {
    heldOut: 9,
    rmsePoints: 0.3,
    kendallTau: 0.8,
    spearman: 0.9,
    splitHalfKendallTau: 0.7,
    labelReliability: 0.9,
  },
  absoluteResiduals: [0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008, 0.02],
};
const features = encodingLength(space, facts.resolutions);
const ensemble = randomEnsemble(features);
const encoded = encodePredictor(ensemble, facts);

/** One arch through the ensemble in float64, by the definition. */
function expected(arch: ReturnType<typeof sampleArch>): number {
  const x = Array.from(encodeArch(space, arch, facts.resolutions));
  const outputs = ensemble.members.map(({ layers }) => {
    const dense = (input: readonly number[], l: number): number[] =>
      Array.from(layers[l]!.bias.data, (b, o) =>
        input.reduce((sum, v, i) => sum + v * layers[l]!.weight.data[o * input.length + i]!, b),
      );
    return dense(
      dense(x, 0).map((v) => Math.max(0, v)),
      1,
    )[0]!;
  });
  return 0.9 + 0.01 * ((outputs[0]! + outputs[1]!) / 2);
}

const edited = (change: object): PredictorBytes => ({
  ...encoded,
  card: new TextEncoder().encode(JSON.stringify({ ...JSON.parse(new TextDecoder().decode(encoded.card)), ...change })),
});

describe('an accuracy predictor', () => {
  const open: AccuracyPredictor[] = [];
  const load = async (bytes: PredictorBytes | string = encoded, to = target): Promise<AccuracyPredictor> => {
    const predictor = await loadPredictor(bytes, to);
    open.push(predictor);
    return predictor;
  };
  afterEach(async () => {
    for (const predictor of open.splice(0)) await predictor.release();
  });
  const rng = makeRng(2);
  const archs = Array.from({ length: 2500 }, () => sampleArch(space, rng, { resolutions: [15] }));

  it('scores as the ensemble is defined, over several batches, in order', async () => {
    const predictor = await load();
    const scores = await predictor.asObjective().score(archs);
    expect(scores).toHaveLength(archs.length);
    for (const i of [0, 1, 1023, 1024, 2047, 2048, 2499]) expect(scores[i]).toBeCloseTo(expected(archs[i]!), 6);
    expect(new Set(scores).size).toBeGreaterThan(1000);
    expect(await predictor.score([])).toHaveLength(0);
  });

  it('loads from a folder as from bytes, and encodes the same bytes again', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'predictor-'));
    writeFileSync(join(dir, PREDICTOR_FILES.card), encoded.card);
    writeFileSync(join(dir, PREDICTOR_FILES.tensors), encoded.tensors);
    const predictor = await load(dir);
    rmSync(dir, { recursive: true });
    expect(await predictor.score(archs.slice(0, 3))).toEqual(await (await load()).score(archs.slice(0, 3)));
    expect(predictor.quality).toEqual(facts.quality);
    expect(predictor.resolutions).toEqual([15]);
    expect(encodePredictor(ensemble, facts)).toEqual(encoded);
    await expect(loadPredictor(dir, target)).rejects.toMatchObject({ code: 'bundle-invalid' });
  });

  it('gives conformal intervals as wide as its residuals say', async () => {
    const predictor = await load();
    const { low, high } = predictor.interval(0.9, 0.8) ?? { low: 1, high: 0 }; // ceil(10 * 0.8) = the 8th of nine residuals
    expect(low).toBeCloseTo(0.892, 12);
    expect(high).toBeCloseTo(0.908, 12);
    expect(() => predictor.interval(0.9, 0.95)).toThrow(/9 held-out architectures.*0\.9000.*0\.95/);
  });

  it('bounds the measured accuracy from below by its signed residuals, or by their sizes where it has no others', async () => {
    expect((await load()).shortfall(0.8)).toBeCloseTo(0.008, 12);
    const residuals = [-0.03, -0.02, -0.01, 0, 0.001, 0.002, 0.004, 0.006, 0.01];
    const signed = await loadPredictor(edited({ residuals }), target);
    expect(signed.shortfall(0.8)).toBeCloseTo(0.02, 12); // the 8th from above of nine
    expect(signed.shortfall(0.9)).toBeCloseTo(0.03, 12);
    expect(signed.shortfall(0.4)).toBeCloseTo(-0.002, 12); // 4th from above: it mostly guesses too low
    expect(() => signed.shortfall(0.95)).toThrow(/9 held-out architectures.*0\.9000.*0\.95/);
    await signed.release();
  });

  it('refuses another supernet, space or encoding', async () => {
    const refusals: [object, RegExp][] = [
      [{ weightsSha256: 'b'.repeat(64) }, /trained for the weights b{64}; the supernet has a{64}/],
      [{ spaceId: 'other' }, /for the space "other"; the supernet's is "tiny"/],
      [{ resolutions: [12, 15] }, /takes \d+ features; an arch of this space has \d+/],
      [{ resolutions: [16] }, /resolutions 16, which the space does not have/],
      [{ encoding: 'other' }, /encoding "other"/],
      [{ absoluteResiduals: [0.2, 0.1] }, /absoluteResiduals/],
      [{ residuals: [0.2, 0.1] }, /residuals/],
      [{ tensorsSha256: 'c' }, /sha256/],
      [{ features: features + 1 }, /its input has/],
      [{ quality: {} }, /quality/],
    ];
    for (const [change, message] of refusals) {
      await expect(loadPredictor(edited(change), target), JSON.stringify(change)).rejects.toThrow(message);
      await expect(loadPredictor(edited(change), target)).rejects.toMatchObject({ code: 'bundle-invalid' });
    }
    await expect(loadPredictor({ ...encoded, card: new Uint8Array([123]) }, target)).rejects.toThrow(/not JSON/);
  });

  it('refuses a resolution that it was not trained on', async () => {
    const predictor = await load();
    await expect(predictor.score([{ ...archs[0]!, resolution: 12 }])).rejects.toMatchObject({
      code: 'arch-out-of-space',
    });
  });
});
