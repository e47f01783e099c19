import { describe, expect, it } from 'vitest';
import { makeRng, type Rng } from '../../../src/common/rng.js';
import { encodeModel } from '../../../src/onnx/codec.js';
import { withoutIdleUnits, withShortcuts } from '../../../src/predictors/lean.js';
import {
  type DenseLayer,
  ensembleMacs,
  ensembleModel,
  type Mlp,
  type MlpEnsemble,
  slopesModel,
} from '../../../src/predictors/mlp-graph.js';
import { createSession } from '../../../src/runtime/session.js';
import { floats } from '../../../src/tensor/tensor.js';
import { judge, randomMlp, randomRows, roundingBounds } from './mlps.js';

const FEATURES = 20;
const DENORMAL = 1e-39;

const ensembleOf = (...members: Mlp[]): MlpEnsemble => ({ members, mean: 0.7, std: 0.02 });

/** Layers with one of them changed in place. */
function changed({ layers }: Mlp, at: number, change: (layer: DenseLayer) => void): Mlp {
  const copies = layers.map(({ weight, bias }) => ({
    weight: floats(weight.dims, weight.data.slice()),
    bias: floats(bias.dims, bias.data.slice()),
  }));
  change(copies[at]!);
  return { layers: copies };
}

const unitsPerLayer = ({ members }: MlpEnsemble): number[][] =>
  members.map(({ layers }) => layers.map(({ bias }) => bias.data.length));

type Output = 'top1' | 'slopes';

/** Runs rows in batches of a size. */
async function run(ensemble: MlpEnsemble, output: Output, rows: Float32Array, batch: number): Promise<Float32Array> {
  const model = output === 'top1' ? ensembleModel(ensemble) : slopesModel(ensemble);
  const session = await createSession(encodeModel(model), { threads: 1, optimization: 'all' });
  try {
    const found: number[] = [];
    for (let at = 0; at < rows.length; at += batch * FEATURES) {
      const part = rows.subarray(at, at + batch * FEATURES);
      const outputs = await session.run({ encoding: floats([part.length / FEATURES, FEATURES], part) });
      found.push(...(outputs[output]!.data as Float32Array)); // both models have a float32 output of the name
    }
    return Float32Array.from(found);
  } finally {
    await session.release();
  }
}

const inputs = (rows: Float32Array): number[][] =>
  Array.from({ length: rows.length / FEATURES }, (_, row) => [...rows.subarray(row * FEATURES, (row + 1) * FEATURES)]);

describe('withoutIdleUnits', () => {
  it('takes out units that give the same for every input, and those that nothing reads, however they come about', () => {
    const rng = makeRng(41);
    const width = (layer: DenseLayer): number => layer.weight.dims[1]!;
    // Units 0 to 2 of the second hidden layer are constant, two of them above 0; unit 3 is read by denormals alone; and unit 4 of the first is
    // read by those four only.
    let mlp = randomMlp(rng, [FEATURES, 12, 10, 8, 1]);
    mlp = changed(mlp, 1, (layer) => {
      layer.weight.data.fill(0, 0, 2 * width(layer));
      layer.weight.data.fill(DENORMAL, 2 * width(layer), 3 * width(layer));
      layer.bias.data.set([0.8, -0.3, 0.4]);
      for (let unit = 4; unit < 10; unit++) layer.weight.data[unit * width(layer) + 4] = -DENORMAL;
    });
    mlp = changed(mlp, 2, (layer) => {
      for (let unit = 0; unit < 8; unit++) layer.weight.data[unit * width(layer) + 3] = DENORMAL;
    });
    const before = ensembleOf(mlp, randomMlp(rng, [FEATURES, 6, 1]));
    const lean = withoutIdleUnits(before);
    expect(unitsPerLayer(lean)).toEqual([
      [11, 6, 8, 1],
      [6, 1],
    ]);
    for (const input of inputs(randomRows(rng, 50, FEATURES))) {
      expect(judge(lean, input).top1).toBeCloseTo(judge(before, input).top1, 8); // biases are rounded to float32
    }
  });

  it('keeps a unit where all could go, and layers without hidden ones', () => {
    const rng = makeRng(42);
    const idle = changed(randomMlp(rng, [FEATURES, 5, 4, 1]), 1, ({ weight, bias }) => {
      weight.data.fill(0);
      bias.data.set([0.8, -0.3, 0.4, 0.2]);
    });
    const before = ensembleOf(idle, randomMlp(rng, [FEATURES, 1]));
    const lean = withoutIdleUnits(before);
    expect(unitsPerLayer(lean)).toEqual([[1, 1, 1], [1]]);
    const input = inputs(randomRows(rng, 1, FEATURES))[0]!;
    expect(judge(lean, input).top1).toBeCloseTo(judge(before, input).top1, 8);
  });
});

/**
 * A member most of whose second hidden layer's units are active only where the first two features are both 1: a unit of the first tells, all the
 * others of the second wait for it.
 */
function resting(rng: Rng): Mlp {
  const told = 7;
  let mlp = changed(randomMlp(rng, [FEATURES, 32, 96, 32, 1]), 0, ({ weight, bias }) => {
    weight.data.fill(0, told * FEATURES, (told + 1) * FEATURES);
    weight.data.set([1, 1], told * FEATURES);
    bias.data[told] = -1;
  });
  mlp = changed(mlp, 1, ({ weight, bias }) => {
    for (let unit = 0; unit < 96; unit++) {
      const isAwake = unit % 8 === 0;
      weight.data[unit * 32 + told] = isAwake ? 0 : 60;
      if (!isAwake) bias.data[unit] = -40;
    }
  });
  return mlp;
}

/** Rows of which every n-th wakes the units that rest. */
function rowsOf(rng: Rng, count: number, wakesEach: number): Float32Array {
  const rows = randomRows(rng, count, FEATURES);
  for (let row = 0; row < count; row++) rows.set(row % wakesEach === wakesEach - 1 ? [1, 1] : [1, 0], row * FEATURES);
  return rows;
}

describe('withShortcuts', () => {
  it('gives a member one where most units rest, which does less than half of the work, and no other', async () => {
    const rng = makeRng(43);
    const before = ensembleOf(resting(rng), randomMlp(rng, [FEATURES, 40, 40, 1]), randomMlp(rng, [FEATURES, 1]));
    const { members } = await withShortcuts(before, rowsOf(rng, 400, 100));
    expect(members.map(({ shortcut }) => shortcut?.hidden)).toEqual([1, undefined, undefined]);
    expect(members.map(({ layers }) => layers)).toEqual(before.members.map(({ layers }) => layers));
    const { layers, watched } = members[0]!.shortcut!;
    expect(layers.map(({ weight }) => weight.dims)).toEqual([
      [32, FEATURES],
      [16, 32],
      [32, 16],
      [1, 32],
    ]);
    expect(watched.weight.dims).toEqual([80, 32]);
    const saved = (96 - 16) * 32;
    const sum = ensembleMacs(ensembleOf({ layers })) + watched.weight.data.length;
    expect(sum).toBe(ensembleMacs(ensembleOf(before.members[0]!)) - saved);
  });

  it('takes none where units are woken too often', async () => {
    const rng = makeRng(44);
    const { members } = await withShortcuts(ensembleOf(resting(rng)), rowsOf(rng, 400, 2));
    expect(members[0]!.shortcut).toBeUndefined();
  });

  it.each([
    ['every row', 1],
    ['some rows', 7],
    ['no row', 1_000],
  ])('gives what all layers give where %s wakes them', async (_, wakesEach) => {
    const rng = makeRng(45);
    const before = ensembleOf(resting(rng), randomMlp(rng, [FEATURES, 9, 1]));
    const quick = await withShortcuts(before, rowsOf(rng, 400, 100));
    expect(quick.members[0]!.shortcut).toBeDefined();
    const rows = rowsOf(rng, 60, wakesEach);
    const bounds = roundingBounds(before);
    const [scores, slopes] = [await run(quick, 'top1', rows, 60), await run(quick, 'slopes', rows, 60)];
    const expected = await run(before, 'slopes', rows, 60);
    inputs(rows).forEach((input, row) => {
      expect(scores[row]).toBeCloseTo(judge(before, input).top1, 5);
      for (let i = 0; i < FEATURES; i++) {
        const at = row * FEATURES + i;
        expect(Math.abs(slopes[at]! - expected[at]!), `row ${row}, feature ${i}`).toBeLessThan(2 * bounds[i]!);
      }
    });
    const woken = inputs(rows).filter((input) => judge(before, input).before.filter((z) => z > 0).length > 60).length;
    expect(woken).toBe(Math.floor(60 / wakesEach)); // the rows are what their name says
  });

  it('watches the first hidden layer from the input', async () => {
    const rng = makeRng(47);
    const member = changed(randomMlp(rng, [FEATURES, 64, 32, 1]), 0, ({ weight, bias }) => {
      for (let unit = 8; unit < 64; unit++) {
        weight.data.set([60, 60], unit * FEATURES);
        bias.data[unit] = -100; // the first two features alone reach above it
      }
    });
    const before = ensembleOf(member);
    const quick = await withShortcuts(before, rowsOf(rng, 400, 100));
    expect(quick.members[0]!.shortcut?.hidden).toBe(0);
    const rows = rowsOf(rng, 60, 4);
    const [found, expected] = [await run(quick, 'slopes', rows, 60), await run(before, 'slopes', rows, 60)];
    const bounds = roundingBounds(before);
    found.forEach((slope, at) => {
      expect(Math.abs(slope - expected[at]!), `value ${at}`).toBeLessThan(2 * bounds[at % FEATURES]!);
    });
    const woken = inputs(rows).filter((input) =>
      judge(before, input)
        .before.slice(8, 64)
        .some((z) => z > 0),
    );
    expect(woken.length).toBe(15);
  });

  it('gives each row the same to the bit, alone or among others', async () => {
    const rng = makeRng(46);
    const quick = await withShortcuts(ensembleOf(resting(rng)), rowsOf(rng, 400, 100));
    const rows = rowsOf(rng, 61, 5);
    for (const output of ['top1', 'slopes'] as const) {
      const [together, few, alone] = [61, 7, 1].map((batch) => run(quick, output, rows, batch));
      expect(new Int32Array((await few!).buffer)).toEqual(new Int32Array((await together!).buffer));
      expect(new Int32Array((await alone!).buffer)).toEqual(new Int32Array((await together!).buffer));
    }
  });
});
