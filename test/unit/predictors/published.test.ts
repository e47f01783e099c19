import { existsSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { encodePredictor } from '../../../src/predictors/file.js';
import { sampleRows, withoutIdleUnits, withShortcuts } from '../../../src/predictors/lean.js';
import { ensembleMacs, shortestMacs } from '../../../src/predictors/mlp-graph.js';
import { type AccuracyPredictor, loadPredictor } from '../../../src/predictors/predictor.js';
import { type PublishedOptions, readPublishedPredictor } from '../../../src/predictors/published.js';
import { PUBLISHED_SPACES } from '../../../src/space/published.js';
import { parseArch } from '../../../src/space/reference-spelling.js';
import type { SearchSpace } from '../../../src/space/types.js';
import { decodeStateDict } from '../../../src/tensor/pytorch/state-dict.js';
import { floats, int64s, type Tensor } from '../../../src/tensor/tensor.js';

const GOLDEN = new URL('../../golden/published-predictors/', import.meta.url);
const golden = (name: string): Uint8Array => readFileSync(new URL(name, GOLDEN));

function spaceOf(id: string): SearchSpace {
  const space = PUBLISHED_SPACES.find((known) => known.id === id);
  if (space === undefined) throw new Error(`no space ${id}`);
  return space;
}

const open: AccuracyPredictor[] = [];
afterEach(async () => {
  for (const predictor of open.splice(0)) await predictor.release();
});

/** Imports a file's bytes and loads what the import writes. */
async function imported(
  bytes: Uint8Array,
  space: SearchSpace,
  options: Partial<PublishedOptions> = {},
): Promise<AccuracyPredictor> {
  const { tensors } = decodeStateDict(bytes, 'file.pth');
  const { ensemble, resolutions, form } = readPublishedPredictor(space, tensors, { where: 'file.pth', ...options });
  const facts = { spaceId: space.id, resolutions, imported: { form, fileSha256: 'f'.repeat(64) } };
  const predictor = await loadPredictor(encodePredictor(ensemble, facts), { space, weightsSha256: 'a'.repeat(64) });
  open.push(predictor);
  return predictor;
}

/** Largest relative difference between predictions and what PyTorch gives for the same architectures. */
async function largestError(
  predictor: AccuracyPredictor,
  space: SearchSpace,
  archs: readonly unknown[],
  outputs: readonly number[],
): Promise<number> {
  const scores = await predictor.score(archs.map((arch) => parseArch(space, arch)));
  expect(scores.length).toBe(outputs.length);
  return Math.max(...outputs.map((output, i) => Math.abs((scores[i] ?? Number.NaN) - output) / Math.abs(output)));
}

/** float32 arithmetic in another order of summation. */
const TOLERANCE = 1e-6;

interface GoldenSet {
  readonly space: string;
  readonly resolutions: readonly number[];
  readonly archs: readonly unknown[];
  readonly outputs: readonly number[];
}
const SETS = JSON.parse(new TextDecoder().decode(golden('outputs.json'))) as Record<string, GoldenSet>; // as make.py writes it

describe('published accuracy predictors', () => {
  it.each(Object.entries(SETS))(
    '%s: predicts what PyTorch does',
    async (name, { space: id, resolutions, archs, outputs }) => {
      const space = spaceOf(id);
      const predictor = await imported(golden(`${name}.pth`), space);
      expect(predictor.resolutions).toEqual(resolutions.filter((resolution) => space.resolutions.includes(resolution)));
      expect(await largestError(predictor, space, archs, outputs)).toBeLessThan(TOLERANCE);
    },
  );

  it('take their resolutions in another order where they are given', async () => {
    const { space: id, archs, outputs, resolutions } = SETS['nas-mobile'] as GoldenSet;
    const space = spaceOf(id);
    const swapped = [224, 128, 160, 176, 192, 208];
    const predictor = await imported(golden('nas-mobile.pth'), space, { resolutions: swapped });
    expect(predictor.resolutions).toEqual(resolutions);
    const at = (resolution: number): number => swapped[resolutions.indexOf(resolution)] ?? 0;
    const renamed = archs.map((arch) => ({ ...(arch as { r: number }), r: at((arch as { r: number }).r) }));
    expect(await largestError(predictor, space, renamed, outputs)).toBeLessThan(TOLERANCE);
  });

  it('say nothing of their quality, and allow every top-1', async () => {
    const predictor = await imported(golden('tutorial.pth'), spaceOf('ofa-mbv3-w1.2'));
    expect(predictor.quality).toBeUndefined();
    expect(predictor.interval(0.76, 0.9)).toBeUndefined();
  });

  it('refuse resolutions that they have no input for', async () => {
    const space = spaceOf('ofa-mbv3-w1.2');
    const predictor = await imported(golden('tutorial.pth'), space);
    const arch = { ...(SETS.tutorial?.archs[0] as object), r: 164 };
    await expect(predictor.score([parseArch(space, arch)])).rejects.toThrow(
      /no resolution 164; .* 160, 176, 192, 208, 224/,
    );
  });
});

describe('files that are no predictor of the space', () => {
  const read =
    (tensors: ReadonlyMap<string, Tensor>, id: string, options: Partial<PublishedOptions> = {}) =>
    () =>
      readPublishedPredictor(spaceOf(id), tensors, { where: 'file.pth', others: PUBLISHED_SPACES, ...options });
  const tensorsOf = (name: string): ReadonlyMap<string, Tensor> => decodeStateDict(golden(name), name).tensors;

  it('a predictor of another space is refused with those that it fits', () => {
    expect(read(tensorsOf('nas-resnet.pth'), 'ofa-mbv3-w1.0')).toThrow(/takes 82 values; .* it fits "ofa-resnet50"/);
    expect(read(tensorsOf('tutorial.pth'), 'ofa-resnet50')).toThrow(
      /takes 128 values; .* fits "ofa-mbv3-w1.0", "ofa-mbv3-w1.2"/,
    );
  });

  it('resolutions that nobody knows are asked for', () => {
    const wide = new Map(tensorsOf('nas-mobile.pth'));
    wide.set('layers.0.0.weight', floats([5, 122], new Float32Array(5 * 122)));
    expect(read(wide, 'ofa-mbv3-w1.0')).toThrow(
      /which resolutions its first inputs are for; give them in order with --resolutions/,
    );
    expect(read(wide, 'ofa-mbv3-w1.0', { resolutions: [128, 160, 192] })).toThrow(
      /takes 122 values; .* 120 and 3 for the resolutions given/,
    );
    expect(read(wide, 'ofa-mbv3-w1.0', { resolutions: [128, 160] })().resolutions).toEqual([128, 160]);
    expect(read(wide, 'ofa-mbv3-w1.0', { resolutions: [1, 2] })).toThrow(
      /knows the resolutions 1, 2, of which the space has none/,
    );
  });

  it.each<[string, (tensors: Map<string, Tensor>) => void, RegExp]>([
    ['a missing bias', (t) => t.delete('2.bias'), /it has no tensor "2.bias"/],
    [
      'layers that do not follow each other',
      (t) => t.set('2.weight', floats([5, 4], new Float32Array(20))),
      /layer 1 has weight \[5, 4\] and bias \[5\] after 5 values/,
    ],
    [
      'many outputs',
      (t) => t.set('4.weight', floats([2, 5], new Float32Array(10))).set('4.bias', floats([2], [0, 0])),
      /ends with 2 outputs/,
    ],
    ['whole numbers', (t) => t.set('0.weight', int64s([1])), /"0.weight" is int64/],
    ['further tensors', (t) => t.set('extra', floats([1], [0])), /tensors that no predictor has: "extra"/],
    [
      'a network',
      (t) => {
        t.clear();
        t.set('first_conv.conv.weight', floats([1], [0]));
      },
      /called "first_conv.conv.weight"; wanted are "0.weight"/,
    ],
  ])('%s', (_, change, sentence) => {
    const tensors = new Map(tensorsOf('tutorial.pth'));
    change(tensors);
    expect(read(tensors, 'ofa-mbv3-w1.2')).toThrow(sentence);
  });
});

const REFERENCE = process.env.BESPOKE_REFERENCE ?? '../shared/reference';
const json = (path: string): unknown => JSON.parse(readFileSync(`${REFERENCE}/${path}`, 'utf8'));

describe.skipIf(!existsSync(REFERENCE))('the predictors of the reference data', () => {
  interface Row {
    readonly output: number;
  }
  it.each([
    ['acc_predictor.pth', 'ofa-mbv3-w1.2'],
    ['ofa_resnet50_acc_predictor.pth', 'ofa-resnet50'],
  ])('official/%s gives its published outputs', async (file, id) => {
    const all = json('official/predictor-outputs.json') as Record<string, Row[] | { readonly rows: Row[] }>;
    const set = all[file] ?? [];
    const rows = Array.isArray(set) ? set : set.rows;
    const predictor = await imported(readFileSync(`${REFERENCE}/official/${file}`), spaceOf(id));
    const outputs = rows.map(({ output }) => output);
    expect(outputs).toHaveLength(100);
    expect(await largestError(predictor, spaceOf(id), rows, outputs)).toBeLessThan(TOLERANCE);
  });

  it.each([
    ['official/acc_predictor.pth', 'ofa-mbv3-w1.2', { published: 370_400, lean: 370_400, most: 370_400 }],
    ['official/ofa_resnet50_acc_predictor.pth', 'ofa-resnet50', { published: 360_400, lean: 22_609, most: 22_609 }],
    ['search/s2_predictor.pth', 'ofa-mbv3-w1.0', { published: 371_200, lean: 371_200, most: 300_000 }],
  ])(
    '%s: the multiply-adds that are left without units that rest',
    async (file, id, { published, lean: left, most }) => {
      const space = spaceOf(id);
      const { tensors } = decodeStateDict(readFileSync(`${REFERENCE}/${file}`), file);
      const { ensemble, resolutions } = readPublishedPredictor(space, tensors, { where: file });
      const lean = withoutIdleUnits(ensemble);
      const quick = await withShortcuts(lean, sampleRows(space, resolutions));
      expect([ensembleMacs(ensemble), ensembleMacs(lean)]).toEqual([published, left]);
      expect(shortestMacs(quick)).toBeLessThanOrEqual(most); // the last bits of activations may move a shortcut by a few units
    },
  );

  it.each([
    ['nas_mbv3', 'ofa-mbv3-w1.0'],
    ['nas_resnet50', 'ofa-resnet50'],
  ])('predictor/%s.pth gives its outputs', async (name, id) => {
    const { archs, acc } = json(`predictor/${name}.json`) as { readonly archs: unknown[]; readonly acc: number[] };
    const predictor = await imported(readFileSync(`${REFERENCE}/predictor/${name}.pth`), spaceOf(id));
    expect(acc).toHaveLength(100);
    expect(await largestError(predictor, spaceOf(id), archs, acc)).toBeLessThan(TOLERANCE);
  });
});
