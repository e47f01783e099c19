import { invariant } from '../common/invariant.js';
import { createSession, type ModelSession } from '../runtime/session.js';
import { INPUT_NAME, OUTPUT_NAME } from '../supernet/emit-layers.js';
import type { FloatTensor } from '../tensor/tensor.js';

/** A finished network that others learn from: a delivered model, its batch norm calibrated and folded. */
export interface TeacherModel {
  /** Encoded ONNX. */
  readonly model: Uint8Array;
  /** Input side, pixels: it sees the images at its own resolution. */
  readonly resolution: number;
}

/** A teacher at work in one thread; the session is made at the first batch. */
export class FrozenTeacher {
  readonly resolution: number;
  readonly #model: Uint8Array;
  #session: Promise<ModelSession> | undefined;

  constructor({ model, resolution }: TeacherModel) {
    this.#model = model;
    this.resolution = resolution;
  }

  /**
   * @param images float32 `[N, C, R, R]` of the teacher's resolution
   * @returns `[N, classes]`
   */
  async logits(images: FloatTensor): Promise<Float32Array> {
    this.#session ??= createSession(this.#model, { threads: 1, optimization: 'all' });
    const { [OUTPUT_NAME]: output } = await (await this.#session).run({ [INPUT_NAME]: images });
    invariant(output?.data instanceof Float32Array, () => `the teacher has no float32 output "${OUTPUT_NAME}"`);
    return output.data;
  }

  async release(): Promise<void> {
    const session = await this.#session;
    this.#session = undefined;
    await session?.release();
  }
}
