import { BespokeError } from '../common/errors.js';
import { depthLists, slotCount, stemDepths, widthLists } from '../space/slots.js';
import type { SearchSpace } from '../space/types.js';
import { type FloatTensor, filled, floats, type Tensor } from '../tensor/tensor.js';
import type { ImportedFrom } from './card.js';
import type { DenseLayer, MlpEnsemble } from './mlp-graph.js';

/** An accuracy predictor of the published code, with its inputs put into the order of our encoding. */
export interface PublishedPredictor {
  readonly form: ImportedFrom['form'];
  readonly ensemble: MlpEnsemble;
  /** Resolutions that it has an input for and the space has too, ascending. */
  readonly resolutions: readonly number[];
}

/** Inputs of the tutorial's form for the resolution: these, whichever it was trained with. Source: the published tutorial's encoder */
const TUTORIAL_RESOLUTIONS = [112, 128, 144, 160, 176, 192, 208, 224] as const;
/** The lists that predictors of `ofa.nas` were seen with, told apart by how many they are; the files do not say. */
const USUAL_RESOLUTIONS: Readonly<Record<SearchSpace['family'], readonly (readonly number[])[]>> = {
  'mobilenet-v3': [
    [224],
    [128, 160, 192, 224],
    [160, 176, 192, 208, 224],
    [128, 160, 176, 192, 208, 224],
    [128, 132, 160, 176, 192, 208, 224],
  ],
  'resnet-d': [[224], [128, 144, 160, 176, 192, 224, 240, 256]],
};

type Refuse = (detail: string) => never;

interface Columns {
  /** For each of our inputs the file's, or -1 where it has none: that input makes no difference. */
  readonly from: readonly number[];
  readonly resolutions: readonly number[];
}

/** A run of indices. */
const run = (start: number, length: number): number[] => Array.from({ length }, (_, i) => start + i);

/** Inputs of a space in the published order, without the resolution, by what they are for. */
function blockInputs(space: SearchSpace): { kernels: number; expands: number; stem: number; widths: number } {
  const slots = slotCount(space);
  const kernels = space.kernelSizes.length > 1 ? slots * space.kernelSizes.length : 0;
  const stem = stemDepths(space) === 0 ? 0 : (depthLists(space)[0]?.length ?? 0);
  const widths = widthLists(space).reduce((sum, { length }) => sum + length, 0);
  return { kernels, expands: slots * space.expandRatios.length, stem, widths };
}

/**
 * Where our inputs `[kernels | expand ratios | stem | widths | resolutions]` are in a file's.
 * The tutorial's order is `[kernels | expand ratios | resolutions]`; that of `ofa.nas` `[resolutions | kernels | expand ratios]`, for
 * ResNets `[resolutions | stem | widths | expand ratios]`: those have one kernel size and no input for it.
 */
function columnsOf(space: SearchSpace, form: ImportedFrom['form'], fileResolutions: readonly number[]): Columns {
  const { kernels, expands, stem, widths } = blockInputs(space);
  let at = form === 'tutorial' ? 0 : fileResolutions.length;
  const next = (length: number): number[] => {
    at += length;
    return run(at - length, length);
  };
  const [stemAt, widthsAt] = [next(stem), next(widths)];
  const kernelsAt = kernels > 0 ? next(kernels) : new Array<number>(slotCount(space)).fill(-1);
  const expandsAt = next(expands);
  const resolutionsAt = form === 'tutorial' ? at : 0;
  const resolutions = space.resolutions.filter((resolution) => fileResolutions.includes(resolution));
  const inputs = resolutions.map((resolution) => resolutionsAt + fileResolutions.indexOf(resolution));
  return { from: [...kernelsAt, ...expandsAt, ...stemAt, ...widthsAt, ...inputs], resolutions };
}

/** A weight `[out, in]` with its columns in another order; columns from -1 are zero. */
function withColumns({ dims, data }: FloatTensor, from: readonly number[]): FloatTensor {
  const [rows = 0, columns = 0] = dims;
  const out = new Float32Array(rows * from.length);
  for (let row = 0; row < rows; row++) {
    for (const [to, column] of from.entries()) {
      if (column >= 0) out[row * from.length + to] = data[row * columns + column]!;
    }
  }
  return floats([rows, from.length], out);
}

interface FileLayers {
  readonly form: ImportedFrom['form'];
  readonly layers: readonly DenseLayer[];
  /** Added to the last layer's output. */
  readonly offset: number;
}

/** Takes the tensors of a file by name, each once. */
function taker(
  tensors: ReadonlyMap<string, Tensor>,
  refuse: Refuse,
): { take: (name: string) => FloatTensor; rest: () => string[] } {
  const taken = new Set<string>();
  return {
    take: (name) => {
      const tensor = tensors.get(name);
      if (tensor === undefined) return refuse(`it has no tensor "${name}"`);
      if (!(tensor.data instanceof Float32Array))
        return refuse(`its tensor "${name}" is ${tensor.type}; wanted are floats`);
      taken.add(name);
      return floats(tensor.dims, tensor.data);
    },
    rest: () => [...tensors.keys()].filter((name) => !taken.has(name)),
  };
}

/** The layers of either form, checked to follow each other and to end with one number. */
function readLayers(tensors: ReadonlyMap<string, Tensor>, refuse: Refuse): FileLayers {
  const { take, rest } = taker(tensors, refuse);
  const layers: DenseLayer[] = [];
  const isTutorial = tensors.has('0.weight');
  if (!isTutorial && !tensors.has('layers.0.0.weight')) {
    const found = [...tensors.keys()].slice(0, 3).map((name) => JSON.stringify(name));
    return refuse(
      `its tensors are called ${found.join(', ')}; wanted are "0.weight", "0.bias", "2.weight" and so on, or "layers.0.0.weight", "layers.0.0.bias" and so on with "base_acc"`,
    );
  }
  // Rectifiers stand between the tutorial's layers and are counted.
  const nameOf = (i: number): string => (isTutorial ? `${2 * i}` : `layers.${i}.0`);
  for (let i = 0; tensors.has(`${nameOf(i)}.weight`); i++) {
    layers.push({ weight: take(`${nameOf(i)}.weight`), bias: take(`${nameOf(i)}.bias`) });
  }
  let offset = 0;
  if (!isTutorial) {
    const weight = take(`layers.${layers.length}.weight`);
    layers.push({ weight, bias: filled([weight.dims[0] ?? 0], 0) });
    const base = take('base_acc');
    if (base.data.length !== 1) refuse(`its base_acc has ${base.data.length} values; wanted is one`);
    offset = base.data[0]!;
  }
  checkChain(layers, refuse);
  const unknown = rest();
  if (unknown.length > 0)
    refuse(
      `it has tensors that no predictor has: ${unknown
        .slice(0, 3)
        .map((n) => JSON.stringify(n))
        .join(', ')}`,
    );
  return { form: isTutorial ? 'tutorial' : 'ofa.nas', layers, offset };
}

function checkChain(layers: readonly DenseLayer[], refuse: Refuse): void {
  let size = layers[0]?.weight.dims[1];
  for (const [l, { weight, bias }] of layers.entries()) {
    const [outSize, inSize] = weight.dims;
    if (weight.dims.length !== 2 || inSize !== size || bias.dims.length !== 1 || bias.dims[0] !== outSize) {
      refuse(
        `its layer ${l} has weight [${weight.dims.join(', ')}] and bias [${bias.dims.join(', ')}] after ${size} values`,
      );
    }
    size = outSize;
  }
  if (size !== 1) refuse(`it ends with ${size} outputs; wanted is 1`);
}

/** The resolutions of a file's inputs, in order; undefined if its number of inputs does not fit the space. */
function fileResolutions(
  space: SearchSpace,
  form: ImportedFrom['form'],
  inputs: number,
  given?: readonly number[],
): readonly number[] | 'unknown' | undefined {
  const { kernels, expands, stem, widths } = blockInputs(space);
  const count = inputs - kernels - expands - stem - widths;
  if (form === 'tutorial') {
    return space.family === 'mobilenet-v3' && count === TUTORIAL_RESOLUTIONS.length ? TUTORIAL_RESOLUTIONS : undefined;
  }
  if (given !== undefined) return given.length === count ? given : undefined;
  if (count < 1 || count > space.resolutions.length) return undefined;
  return USUAL_RESOLUTIONS[space.family].find(({ length }) => length === count) ?? 'unknown';
}

export interface PublishedOptions {
  /** What the tensors are of, for errors: usually the file's name. */
  readonly where: string;
  /** For `ofa.nas`: the resolutions that its first inputs are for, in order; the usual ones unless told. */
  readonly resolutions?: readonly number[] | undefined;
  /** Further spaces, to say which one a file fits. */
  readonly others?: readonly SearchSpace[];
}

/**
 * Reads an accuracy predictor as the published code saves it: the tutorial's layout (`0.weight`, ...; resolutions 112 to 224) or that of
 * `ofa.nas` (`layers.0.0.weight`, ..., `base_acc`). Its first layer's columns are put into the order of `encodeArchs`.
 * @param tensors of the file's state dict
 * @throws BespokeError `invalid-request`: not a predictor, not of this space (and of which), or of unknown resolutions
 * Source: mit-han-lab/once-for-all, ofa/nas/accuracy_predictor and tutorial/accuracy_predictor.py
 */
export function readPublishedPredictor(
  space: SearchSpace,
  tensors: ReadonlyMap<string, Tensor>,
  { where, resolutions: given, others = [] }: PublishedOptions,
): PublishedPredictor {
  const refuse: Refuse = (detail) => {
    throw new BespokeError(
      'invalid-request',
      `${where} is not an accuracy predictor for the space "${space.id}": ${detail}`,
    );
  };
  const { form, layers, offset } = readLayers(tensors, refuse);
  const [first, ...later] = layers as [DenseLayer, ...DenseLayer[]]; // readLayers gives one at least
  const inputs = first.weight.dims[1] ?? 0;
  const known = fileResolutions(space, form, inputs, given);
  if (known === undefined) {
    const fitting = others
      .filter((other) => fileResolutions(other, form, inputs) !== undefined)
      .map(({ id }) => `"${id}"`);
    const { kernels, expands, stem, widths } = blockInputs(space);
    const rest = kernels + expands + stem + widths;
    const list = given === undefined ? 'one for each resolution' : `${given.length} for the resolutions given`;
    return refuse(
      `it takes ${inputs} values; an architecture of this space has ${rest} and ${form === 'tutorial' ? '8 for the resolution' : list}` +
        (fitting.length > 0 ? `; it fits ${fitting.join(', ')}` : ''),
    );
  }
  if (known === 'unknown') {
    return refuse(
      'its file does not say which resolutions its first inputs are for; give them in order with --resolutions',
    );
  }
  const { from, resolutions } = columnsOf(space, form, known);
  if (resolutions.length === 0) refuse(`it knows the resolutions ${known.join(', ')}, of which the space has none`);
  const member = { layers: [{ weight: withColumns(first.weight, from), bias: first.bias }, ...later] };
  return { form, ensemble: { members: [member], mean: offset, std: 1 }, resolutions };
}
