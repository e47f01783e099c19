import * as ort from 'onnxruntime-node';
import { BespokeError } from '../common/errors.js';
import { invariant } from '../common/invariant.js';
import { type ElementType, type Tensor, tensorFrom } from '../tensor/tensor.js';

/** How a session runs. `optimization` 'disabled' is for graphs that are written as they should run and live shortly. */
export interface SessionOptions {
  /** Threads inside an operator, 1 or more. */
  readonly threads: number;
  readonly optimization: 'disabled' | 'all';
  /**
   * Keep freed activations for the session's own next run; true unless told. Where the process keeps freed memory, they are for whichever session runs next;
   * where it does not, memory goes back to the system at once, and repeated runs are slower.
   */
  readonly memoryArena?: boolean | undefined;
  /**
   * Plan one block for all values of a run after having seen one; true unless told. The block comes on top of what the first run was given, so that
   * a session of static shapes holds two fifths more memory, and no run is faster for it (measured on training steps).
   */
  readonly memoryPattern?: boolean;
  /** ONNX Runtime's names, in order of preference; `['cpu']` unless told. */
  readonly executionProviders?: readonly string[];
}

/** A loaded model. `run` blocks the event loop while it computes; `release` frees the native memory, once. */
export interface ModelSession {
  /**
   * Computes outputs (all, or those named) from one tensor per input. Buffers are not copied on the way in:
   * do not write to them before the promise settles. Outputs own their memory.
   */
  run(feeds: Readonly<Record<string, Tensor>>, outputs?: readonly string[]): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
}

/** The element types that both this project and the binding know; the names are the same. */
const ELEMENT_TYPES: ReadonlySet<string> = new Set<ElementType>([
  'float32',
  'float64',
  'int32',
  'int64',
  'uint8',
  'bool',
]);

function isElementType(type: string): type is ElementType {
  return ELEMENT_TYPES.has(type);
}

/** The binding refuses views of shared memory ("Invalid argument"), so those alone are copied. */
function unshared<A extends Tensor['data']>(data: A): A {
  if (!(data.buffer instanceof SharedArrayBuffer)) return data;
  return data.slice() as A; // slice() of a typed array is of the same kind
}

function toRuntime(tensor: Tensor): ort.Tensor {
  return new ort.Tensor(tensor.type, unshared(tensor.data), tensor.dims);
}

function fromRuntime(name: string, tensor: ort.Tensor): Tensor {
  const { type, data, dims } = tensor;
  invariant(isElementType(type) && typeof data !== 'string', () => `output "${name}" has the element type ${type}`);
  return tensorFrom(type, dims, data as Tensor['data']); // the binding pairs each of these types with our array class
}

class RuntimeSession implements ModelSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #session: ort.InferenceSession;
  #released = false;

  constructor(session: ort.InferenceSession) {
    this.#session = session;
    this.inputNames = session.inputNames;
    this.outputNames = session.outputNames;
  }

  async run(feeds: Readonly<Record<string, Tensor>>, outputs?: readonly string[]): Promise<Record<string, Tensor>> {
    invariant(!this.#released, () => 'a released session was run');
    const given = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, toRuntime(tensor)]));
    const results =
      outputs === undefined ? await this.#session.run(given) : await this.#session.run(given, [...outputs]);
    return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, fromRuntime(name, tensor)]));
  }

  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    await this.#session.release();
  }
}

/** What ONNX Runtime says, in one line. */
function reasonOf(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).replaceAll(/\s+/g, ' ').trim().slice(0, 300);
}

/**
 * Loads ONNX bytes into ONNX Runtime.
 * @param model encoded model; the bytes may be let go once the promise settles
 * @throws BespokeError `invalid-request` if ONNX Runtime refuses the model
 * Source: ONNX Runtime C API, OrtSessionOptions
 */
export async function createSession(model: Uint8Array, options: SessionOptions): Promise<ModelSession> {
  const { threads, optimization } = options;
  invariant(Number.isInteger(threads) && threads >= 1, () => `a session needs 1 or more threads, got ${threads}`);
  const sessionOptions: ort.InferenceSession.SessionOptions = {
    executionProviders: [...(options.executionProviders ?? ['cpu'])],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: optimization,
    enableCpuMemArena: options.memoryArena ?? true,
    enableMemPattern: options.memoryPattern ?? true,
    logSeverityLevel: 3, // errors only: warnings about constant folding and the like are noise on stderr
    // Waiting threads that spin for long cost 5x on a machine whose cores are shared (measured 9.99 against 1.84 ms a run); so short a time,
    // about that between two operators, makes a search 6 % faster than none.
    extra: { 'session.intra_op.allow_spinning': '1', 'session.intra_op.spin_duration_us': '50' },
  };
  try {
    return new RuntimeSession(await ort.InferenceSession.create(model, sessionOptions));
  } catch (cause) {
    const detail = `ONNX Runtime ${runtimeVersion()} refuses the model of ${model.length} bytes: ${reasonOf(cause)}`;
    throw new BespokeError('invalid-request', detail, {}, cause);
  }
}

/** Names of the execution providers that this ONNX Runtime binding knows; whether one can be used here, only a session tells. */
export function knownExecutionProviders(): readonly string[] {
  return ort.listSupportedBackends().map(({ name }) => name);
}

/** Version of the ONNX Runtime binding in use, such as `1.30.0`. */
export function runtimeVersion(): string {
  return ort.env.versions.node ?? ort.env.versions.common;
}
