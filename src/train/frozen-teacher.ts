import { invariant } from '../common/invariant.js';
import { createSession, type ModelSession, type SessionOptions } from '../runtime/session.js';
import type { FloatTensor } from '../tensor/tensor.js';
import { softmaxRows } from './targets.js';

/** A finished network that others learn from: one input `[N, C, R, R]`, normalized as training images are, and one output of logits `[N, classes]`. */
export interface TeacherModel {
  /** Encoded ONNX. */
  readonly model: Uint8Array;
  /** Input side R, pixels: it sees the images at its own resolution. */
  readonly resolution: number;
}

/** Teachers at work in one thread; sessions are made at the first batch. */
export class FrozenTeachers {
  readonly #models: readonly TeacherModel[];
  readonly #memoryArena: boolean | undefined;
  #sessions: Promise<readonly ModelSession[]> | undefined;

  /** @param models one or more */
  constructor(models: readonly TeacherModel[], { memoryArena }: Pick<SessionOptions, 'memoryArena'> = {}) {
    this.#models = models;
    this.#memoryArena = memoryArena;
  }

  /**
   * What they say together: the mean of their softmax, an ensemble's answer (Hinton et al. 2015, section 1).
   * @param at the same images at a resolution, float32 `[N, C, R, R]`
   * @returns `[N, classes]`, rows sum to 1
   */
  async probabilities(at: (resolution: number) => FloatTensor, classes: number): Promise<Float32Array> {
    // Batches are of one size, but a planned block would stay with each session.
    const options = { threads: 1, optimization: 'all', memoryArena: this.#memoryArena, memoryPattern: false } as const;
    this.#sessions ??= Promise.all(this.#models.map(({ model }) => createSession(model, options)));
    const sessions = await this.#sessions;
    const each: Float32Array[] = [];
    for (const [i, session] of sessions.entries()) {
      const images = at(this.#models[i]!.resolution);
      const { [session.outputNames[0]!]: output } = await session.run({ [session.inputNames[0]!]: images });
      invariant(
        output?.data instanceof Float32Array && output.data.length === images.dims[0]! * classes,
        () => `teacher ${i + 1} answers ${images.dims.join('x')} images with ${output?.type} [${output?.dims}]`,
      );
      each.push(softmaxRows(output.data, classes));
    }
    const [first, ...others] = each;
    invariant(first !== undefined, () => 'no teacher was given');
    if (others.length === 0) return first;
    return first.map((value, i) => others.reduce((sum, other) => sum + other[i]!, value) / each.length);
  }

  async release(): Promise<void> {
    const sessions = await this.#sessions;
    this.#sessions = undefined;
    for (const session of sessions ?? []) await session.release();
  }
}
