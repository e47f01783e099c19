import { BespokeError } from '../common/errors.js';
import { canonicalJson } from '../common/hash.js';
import { decodeModel } from '../onnx/codec.js';
import type { OnnxModel, ValueInfo } from '../onnx/ir.js';
import { createSession } from '../runtime/session.js';
import type { SearchSpace } from '../space/types.js';
import type { InputSpec } from '../tensor/image-set.js';
import { floats, sizeOf } from '../tensor/tensor.js';
import type { TeacherModel } from '../train/frozen-teacher.js';
import type { Recipe } from '../train/recipe.js';
import { naming } from './arguments.js';
import { readWhole } from './checkpoint-file.js';

/** A teacher as it was read. */
export interface NamedTeacher extends TeacherModel {
  readonly path: string;
  /** How it wants its images, as far as it says. */
  readonly input: Readonly<Record<string, unknown>> | undefined;
}

/** Images that a teacher is tried on. */
const TRIED = 2;

function refuse(path: string, reason: string, cause?: unknown): never {
  throw new BespokeError('invalid-request', `--teacher ${path}: ${reason}`, {}, cause);
}

const shown = (values: readonly ValueInfo[]): string =>
  values.map(({ name, type, dims }) => `"${name}" ${type}[${dims.join(', ')}]`).join(', ') || 'none';

/** The input side of a model that can teach the networks of a space. */
function resolutionOf(path: string, { graph }: OnnxModel, { inputChannels, classes }: SearchSpace): number {
  const { inputs, outputs } = graph;
  const [input, ...others] = inputs;
  const [batch, channels, height, width, ...more] = input?.dims ?? [];
  const isSquare = typeof height === 'number' && height === width && channels === inputChannels && more.length === 0;
  const isFree = typeof batch === 'string'; // every phase has a batch of its own
  if (input?.type !== 'float32' || others.length > 0 || !isSquare || !isFree) {
    return refuse(path, `one input float32[N, ${inputChannels}, R, R] of any batch is wanted; it has ${shown(inputs)}`);
  }
  const [output, ...further] = outputs;
  const isLogits = output?.type === 'float32' && output.dims.length === 2 && output.dims[1] === classes;
  if (!isLogits || further.length > 0) {
    return refuse(path, `one output of logits float32[N, ${classes}] is wanted; it has ${shown(outputs)}`);
  }
  return height;
}

/** What a delivered model's metadata says under a name. */
function stated({ metadata }: OnnxModel, name: string): Readonly<Record<string, unknown>> | undefined {
  const text = metadata[name];
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined; // somebody else's
  }
}

/** Number of values that a model answers so many black images with; runs it once. */
async function answersTo(model: Uint8Array, dims: readonly number[]): Promise<number> {
  const session = await createSession(model, { threads: 1, optimization: 'all' });
  try {
    const black = floats([...dims], new Float32Array(sizeOf(dims)));
    const found = await session.run(Object.fromEntries(session.inputNames.map((name) => [name, black])));
    return Object.values(found).reduce((sum, { data }) => sum + data.length, 0);
  } finally {
    await session.release();
  }
}

/** Tries a teacher, so that what ONNX Runtime has against it is told before images are read. */
async function tryOut({ path, model, resolution }: NamedTeacher, space: SearchSpace): Promise<void> {
  const wanted = TRIED * space.classes;
  const values = await answersTo(model, [TRIED, space.inputChannels, resolution, resolution]).catch((cause: unknown) =>
    refuse(path, cause instanceof Error ? cause.message : String(cause), cause),
  );
  if (values !== wanted) refuse(path, `it answers ${TRIED} images with ${values} values, not ${wanted}`);
}

async function readTeacher(path: string, space: SearchSpace): Promise<NamedTeacher> {
  const model = await readWhole(path);
  const decoded = naming(`--teacher ${path}`, () => decodeModel(model));
  const resolution = resolutionOf(path, decoded, space);
  const { normalize = 'none', softmax = false } = stated(decoded, 'bespoke.export') ?? {};
  if (normalize !== 'none' || softmax !== false) {
    const given = canonicalJson({ normalize, softmax });
    refuse(path, `it is exported with ${given}; wanted is a model of normalized images and logits`);
  }
  const teacher = { path, model, resolution, input: stated(decoded, 'bespoke.input') };
  await tryOut(teacher, space);
  return teacher;
}

/**
 * Reads the networks that teach in place of the supernet's largest: delivered ones, or other ONNX models of float32 with one input of normalized
 * images `[N, C, R, R]`, of a fixed side and any batch, and one output of logits; each is run once.
 * @returns undefined if no file is named
 * @throws BespokeError `invalid-request` for a file that cannot be read or run or does not fit the space, and for a recipe without a frozen teacher
 */
export async function readTeachers(
  paths: readonly string[],
  space: SearchSpace,
  recipe: Recipe,
): Promise<readonly NamedTeacher[] | undefined> {
  if (paths.length === 0) return undefined;
  if (!recipe.phases.some(({ teacher }) => teacher === 'frozen')) {
    throw new BespokeError(
      'invalid-request',
      `--teacher: recipe "${recipe.name}" learns from no finished network; a phase with teacher "frozen" does`,
    );
  }
  return Promise.all(paths.map((path) => readTeacher(path, space)));
}

/**
 * The teachers, once it is known how images are normalized here.
 * @throws BespokeError `invalid-request` for one that says it wants them otherwise
 */
export function fittingTeachers(
  teachers: readonly NamedTeacher[] | undefined,
  input: InputSpec,
): readonly TeacherModel[] | undefined {
  for (const { path, input: own } of teachers ?? []) {
    for (const name of ['range', 'mean', 'std'] as const) {
      const [wanted, here] = [canonicalJson(own?.[name] ?? input[name]), canonicalJson(input[name])];
      if (wanted !== here) refuse(path, `it takes images of ${name} ${wanted}; here they have ${here}`);
    }
  }
  return teachers?.map(({ model, resolution }) => ({ model, resolution }));
}
