import { type Asked, askedOnce } from '../common/asked.js';
import { invariant } from '../common/invariant.js';
import { floats } from '../tensor/tensor.js';
import { createSession, type ModelSession, type SessionOptions } from './session.js';

/** What a model makes of rows: input `[N, width]` and output `[N, columns]`, float32, where no row depends on others. */
export interface RowShape {
  readonly input: string;
  readonly output: string;
  readonly columns: number;
}

/** Such a model. */
export interface RowModel extends RowShape {
  readonly bytes: Uint8Array;
}

/** A model that runs on rows. */
export interface OpenedRows {
  /** Asks for rows `[n, width]`; they must not change before they are taken, or the model is released. */
  ask(rows: Float32Array): Asked;
  /** Frees the native memory, once. What was asked has to be taken before; what is not may fail. */
  release(): Promise<void>;
}

/** Runs a model on rows. */
export async function runRows(
  session: ModelSession,
  { input, output }: RowShape,
  rows: Float32Array,
  width: number,
): Promise<Float32Array> {
  const found = await session.run({ [input]: floats([rows.length / width, width], rows) }, [output]);
  return found[output]!.data as Float32Array; // by the model's own word
}

/** Rows of one run: large enough that a call costs nothing beside it, small enough that what is between its layers stays in the cache. */
const ROWS_PER_RUN = 1024;

/**
 * Opens a model on this thread alone: it computes when what was asked is taken, and blocks the event loop meanwhile.
 * @throws BespokeError `invalid-request` if ONNX Runtime refuses the model
 */
export async function openRows(model: RowModel, width: number, options: SessionOptions): Promise<OpenedRows> {
  const session = await createSession(model.bytes, options);
  let isReleased = false;
  const answer = async (rows: Float32Array): Promise<Float32Array> => {
    const count = rows.length / width;
    const found = new Float32Array(count * model.columns);
    for (let start = 0; start < count; start += ROWS_PER_RUN) {
      const part = rows.subarray(start * width, Math.min(count, start + ROWS_PER_RUN) * width);
      found.set(await runRows(session, model, part, width), start * model.columns);
    }
    return found;
  };
  return {
    ask: (rows) => {
      invariant(!isReleased, () => 'a released session was run');
      return askedOnce(() => answer(rows));
    },
    release: () => {
      isReleased = true;
      return session.release();
    },
  };
}
