import type { Lowering } from '../autodiff/term.js';
import { invariant } from '../common/invariant.js';
import { createSession, type ModelSession } from '../runtime/session.js';
import { lower } from '../space/lower.js';
import type { Arch, SearchSpace } from '../space/types.js';
import { type FloatTensor, floats, sizeOf, type Tensor } from '../tensor/tensor.js';
import { type ParameterLayout, slotOf } from './parameter-layout.js';
import { gatherSlice, isPrefix, planSlice, type SlicePlan, scatterAddSlice } from './slices.js';
import { buildStepGraph, type StepGraph } from './step-graph.js';

/** What a sub-network's session is made from. */
export interface NetSessionOptions {
  readonly space: SearchSpace;
  readonly layout: ParameterLayout;
  readonly lowering: Lowering;
  readonly batch: number;
  readonly mode: 'train' | 'forward';
  /** ONNX Runtime's names, in order of preference; the CPU unless told. */
  readonly executionProviders?: readonly string[] | undefined;
  /** Sessions keep arenas of their own, unless told: not needed where the process keeps freed memory (`keepsFreedMemory`). The results are the same. */
  readonly memoryArena?: boolean | undefined;
  /** Threads inside an operator; 1 unless told: the workers are the parallelism. */
  readonly threads?: number;
  /** The supernet's flat weights that every run reads; must not lie in shared memory, which the runtime refuses. */
  readonly weights: Float32Array;
}

/** One parameter of the sub-network: its slice of the flat vectors and the tensor that is fed. */
interface Binding {
  readonly name: string;
  readonly offset: number;
  readonly plan: SlicePlan;
  readonly tensor: FloatTensor;
}

/** What one run gives. */
export interface NetOutput {
  /** `[batch, classes]` */
  readonly logits: Float32Array;
  /** Mean over the batch; present in mode `train`. */
  readonly loss?: number;
}

function bind(options: NetSessionOptions, parameter: StepGraph['parameters'][number]): Binding {
  const { name, dims } = parameter;
  const slot = slotOf(options.layout, name);
  const plan = planSlice(slot.dims, dims);
  // A prefix is fed as a view of the weights; other slices are copied into a buffer of their own before each run.
  const data = isPrefix(plan)
    ? options.weights.subarray(slot.offset, slot.offset + plan.size)
    : new Float32Array(sizeOf(dims));
  return { name, offset: slot.offset, plan, tensor: floats(dims, data) };
}

function floatData(tensor: Tensor | undefined, name: string): Float32Array {
  invariant(tensor?.data instanceof Float32Array, () => `the step graph gives no float32 "${name}"`);
  return tensor.data;
}

/** A live sub-network: its step graph in a session, fed from the supernet's flat weights. */
export class NetSession {
  readonly #session: ModelSession;
  readonly #bindings: readonly Binding[];
  readonly #options: NetSessionOptions;

  private constructor(session: ModelSession, graph: StepGraph, options: NetSessionOptions) {
    this.#session = session;
    this.#options = options;
    this.#bindings = graph.parameters.map((parameter) => bind(options, parameter));
  }

  /** Builds the graph of an arch and loads it. */
  static async create(arch: Arch, options: NetSessionOptions): Promise<NetSession> {
    const { space, batch, lowering, mode, executionProviders, memoryArena, threads = 1 } = options;
    const graph = buildStepGraph(space, lower(space, arch), { batch, lowering, mode });
    const session = await createSession(graph.model, {
      threads,
      optimization: 'disabled',
      memoryPattern: false,
      memoryArena,
      ...(executionProviders === undefined ? {} : { executionProviders }),
    });
    return new NetSession(session, graph, options);
  }

  /**
   * One pass over a batch with the weights as they are now.
   * @param images float32 `[batch, C, R, R]` at the arch's resolution
   * @param targets distributions `[batch, classes]`; given exactly in mode `train`
   * @param gradient flat, the gradients of the active slices are added to it in place
   */
  async run(images: FloatTensor, targets?: Float32Array, gradient?: Float32Array): Promise<NetOutput> {
    const { weights, mode, batch, space } = this.#options;
    const feeds: Record<string, Tensor> = { images };
    if (mode === 'train') {
      invariant(targets !== undefined && gradient !== undefined, () => 'a training pass needs targets and a gradient');
      feeds.targets = floats([batch, space.classes], targets);
    }
    for (const { name, offset, plan, tensor } of this.#bindings) {
      if (!isPrefix(plan)) gatherSlice(plan, weights, offset, tensor.data);
      feeds[name] = tensor;
    }
    const outputs = await this.#session.run(feeds);
    const logits = floatData(outputs.logits, 'logits');
    if (gradient === undefined) return { logits };
    for (const { name, offset, plan } of this.#bindings) {
      scatterAddSlice(plan, floatData(outputs[`grad/${name}`], `grad/${name}`), gradient, offset);
    }
    return { logits, loss: floatData(outputs.loss, 'loss')[0]! };
  }

  release(): Promise<void> {
    return this.#session.release();
  }
}
