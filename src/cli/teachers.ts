import { readFile } from 'node:fs/promises';
import { BespokeError } from '../common/errors.js';
import { decodeModel } from '../onnx/codec.js';
import type { OnnxModel, ValueInfo } from '../onnx/ir.js';
import type { SearchSpace } from '../space/types.js';
import type { TeacherModel } from '../train/frozen-teacher.js';
import type { Recipe } from '../train/recipe.js';
import { codeOf, naming } from './arguments.js';

const shown = ({ name, type, dims }: ValueInfo): string => `"${name}" ${type}[${dims.join(', ')}]`;

/** Why a model cannot teach the networks of a space; undefined if it can. */
function unfitness({ graph, metadata }: OnnxModel, { inputChannels, classes }: SearchSpace): string | undefined {
  const weights = new Set(graph.initializers.map(({ name }) => name));
  const inputs = graph.inputs.filter(({ name }) => !weights.has(name)); // old exporters list constants among the inputs
  const [input] = inputs;
  const [output] = graph.outputs;
  const [batch, channels, height, width] = input?.dims ?? [];
  const square = typeof height === 'number' && height === width && channels === inputChannels;
  const free = typeof batch === 'string'; // every phase has a batch of its own
  if (inputs.length !== 1 || input?.type !== 'float32' || input.dims.length !== 4 || !square || !free) {
    const wanted = `one input float32[N, ${inputChannels}, R, R] of any batch`;
    return `${wanted} is wanted; it has ${inputs.map(shown).join(', ') || 'none'}`;
  }
  if (graph.outputs.length !== 1 || output?.type !== 'float32' || output.dims.at(-1) !== classes) {
    return `one output of logits float32[N, ${classes}] is wanted; it has ${graph.outputs.map(shown).join(', ') || 'none'}`;
  }
  const exported = metadata['bespoke.export'];
  if (exported === undefined) return undefined;
  const { normalize = 'none', softmax = false } = JSON.parse(exported) as { normalize?: string; softmax?: boolean };
  if (normalize === 'none' && !softmax) return undefined;
  return `it is exported with ${exported}; wanted is a model of normalized images and logits`;
}

/**
 * Reads the networks that teach in place of the supernet's largest: delivered ones, or any ONNX model with one input of normalized images
 * `[N, C, R, R]`, of a fixed side, and one output of logits.
 * @returns undefined if no file is named
 * @throws BespokeError `invalid-request` for a file that cannot be read or does not fit the space, and for a recipe without a frozen teacher
 */
export async function readTeachers(
  paths: readonly string[],
  space: SearchSpace,
  recipe: Recipe,
): Promise<readonly TeacherModel[] | undefined> {
  if (paths.length === 0) return undefined;
  if (!recipe.phases.some(({ teacher }) => teacher === 'frozen')) {
    throw new BespokeError(
      'invalid-request',
      `--teacher: recipe "${recipe.name}" learns from no finished network; a phase with teacher "frozen" does`,
    );
  }
  const read = async (path: string): Promise<TeacherModel> => {
    let model: Uint8Array;
    try {
      model = await readFile(path);
    } catch (cause) {
      throw new BespokeError('invalid-request', `--teacher ${path} cannot be read (${codeOf(cause)})`, {}, cause);
    }
    const decoded = naming(`--teacher ${path}`, () => decodeModel(model));
    const reason = unfitness(decoded, space);
    if (reason !== undefined) throw new BespokeError('invalid-request', `--teacher ${path}: ${reason}`);
    const weights = new Set(decoded.graph.initializers.map(({ name }) => name));
    const side = decoded.graph.inputs.find(({ name }) => !weights.has(name))?.dims[2];
    return { model, resolution: Number(side) };
  };
  return Promise.all(paths.map(read));
}
