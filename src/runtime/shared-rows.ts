import type { Worker } from 'node:worker_threads';
import { type Asked, askedOnce } from '../common/asked.js';
import { BespokeError, type Problem } from '../common/errors.js';
import { invariant } from '../common/invariant.js';
import { breathe } from '../common/work.js';
import { BATCH_ROWS, boardMemory, type Claim, RowBoard, type RowWidths, sizeOfClaim } from './row-board.js';
import { type OpenedRows, type RowModel, type RowShape, runRows } from './rows.js';
import { createSession, type ModelSession, type SessionOptions } from './session.js';
import { startThread } from './thread.js';

/**
 * This thread and one beside it, which share the rows of models. The other keeps no process alive but while it computes.
 * Where a run fails in either, for want of memory perhaps, nothing more is shared: all that is asked fails from then on.
 */
export interface RowSharing {
  /** @throws BespokeError `invalid-request` if ONNX Runtime refuses the model */
  open(model: RowModel, options: SessionOptions): Promise<OpenedRows>;
  /** Ends the other thread after the run that it is in; shared rows that were not taken fail. Models are released before. */
  close(): Promise<void>;
}

/** What the other thread is told; messages count up, and a session is named by the message that made it. */
export type Errand = { readonly id: number } & (
  | { readonly kind: 'open'; readonly bytes: Uint8Array; readonly model: RowShape; readonly options: SessionOptions }
  | { readonly kind: 'release'; readonly session: number }
  | { readonly kind: 'wake' | 'close' }
);

/** What went wrong, without a number where that was in a run. */
export interface Failure {
  readonly kind: 'failed';
  readonly id?: number;
  readonly problem: Problem;
  readonly message: string;
  readonly stack: string;
}

/** Its answers: to `open` and `release` that it is done, and to the last `wake` that it lies down. */
export type ErrandReply = { readonly kind: 'done' | 'asleep'; readonly id: number } | Failure;

/** What the other thread is started with. */
export interface SharingSetup {
  readonly memory: SharedArrayBuffer;
  readonly widths: RowWidths;
}

/** Fewer rows than this are not shared: the other thread would take as long to begin. */
const SHARED_FROM = 12;
/** How long this thread sleeps at most before it looks after its events, while the other one computes the last rows that are waited for. */
const WAIT_MS = 2;

/** A part of what was asked for that fits on the board. Mutable: it is posted, and finished. */
interface Piece {
  readonly model: OpenModel;
  readonly rows: Float32Array;
  readonly found: Float32Array;
  /** Its batch on the board. */
  batch: number | undefined;
  isFinished: boolean;
}

/** A model in both threads. */
interface OpenModel extends RowShape {
  readonly session: number;
  readonly here: ModelSession;
}

function errorOf({ problem, message, stack }: Failure): Error {
  if (problem.code === 'internal') return new Error(message, { cause: new Error(stack) });
  return new BespokeError(problem.code, problem.detail, {}, new Error(stack));
}

/** The other thread, as it is written to. */
class OtherThread {
  readonly #thread: Worker;
  readonly #board: RowBoard;
  readonly #exited: Promise<void>;
  readonly #pending = new Map<number, { readonly resolve: () => void; readonly reject: (error: Error) => void }>();
  #last = 0;
  /** The number of the message that woke it; 0 while it sleeps. */
  #woken = 0;
  /** Why it is of no use any more. */
  gone: Error | undefined;

  constructor(setup: SharingSetup, board: RowBoard) {
    this.#board = board;
    this.#thread = startThread(new URL('./row-worker', import.meta.url), { name: 'rows', workerData: setup });
    this.#exited = new Promise((resolve) => this.#thread.once('exit', () => resolve()));
    this.#thread.unref();
    this.#thread.on('message', (reply: ErrandReply) => this.#hear(reply));
    this.#thread.on('error', (error) => this.end(error));
    this.#thread.on('exit', (code) => this.end(new Error(`the thread that shares rows ended with code ${code}`)));
  }

  /** Sends it on an errand. @returns its number, when it is done */
  async send(errand: (id: number) => Errand): Promise<number> {
    if (this.gone !== undefined) throw this.gone;
    const id = ++this.#last;
    await new Promise<void>((resolve, reject) => {
      this.#thread.postMessage(errand(id)); // first: what cannot be posted is not awaited
      this.#board.announce();
      this.#pending.set(id, { resolve, reject });
      this.#thread.ref();
    });
    return id;
  }

  /** Wakes it, and keeps the process until it sleeps: one that ended in the middle of a run would be brought down. */
  wake(): void {
    this.#woken = ++this.#last;
    this.#thread.postMessage({ id: this.#woken, kind: 'wake' } satisfies Errand);
    this.#thread.ref();
  }

  end(reason: Error): void {
    this.gone ??= reason;
    for (const { reject } of this.#pending.values()) reject(this.gone);
    this.#pending.clear();
  }

  /** It ends itself: ONNX Runtime's binding brings the process down where a thread is terminated in the middle of a run. */
  close(): Promise<void> {
    this.end(new Error('the thread that shares rows ended: it was closed'));
    this.#board.close();
    this.#thread.ref();
    this.#thread.postMessage({ id: ++this.#last, kind: 'close' } satisfies Errand);
    this.#board.announce();
    return this.#exited;
  }

  #hear(reply: ErrandReply): void {
    if (reply.kind === 'failed' && reply.id === undefined) {
      this.end(errorOf(reply));
      return;
    }
    const asked = this.#pending.get(reply.id!);
    this.#pending.delete(reply.id!);
    if (reply.kind === 'asleep' && reply.id === this.#woken) this.#woken = 0;
    if (this.#pending.size === 0 && this.#woken === 0) this.#thread.unref();
    if (reply.kind === 'failed') asked?.reject(errorOf(reply));
    else asked?.resolve();
  }
}

class TwoThreads implements RowSharing {
  readonly #width: number;
  readonly #board: RowBoard;
  readonly #other: OtherThread;
  /** What is asked and not finished, in order; those on the board come first. */
  readonly #pieces: Piece[] = [];
  /** Runs of this thread that were claimed and are not finished. */
  #running = 0;

  constructor(widths: RowWidths) {
    const memory = boardMemory(widths);
    this.#width = widths.input;
    this.#board = new RowBoard(memory, widths);
    this.#other = new OtherThread({ memory, widths }, this.#board);
  }

  async open(model: RowModel, options: SessionOptions): Promise<OpenedRows> {
    // Refuses what is no model. Threads inside operators are the other session's alone: this thread is one more.
    const here = await createSession(model.bytes, { ...options, threads: 1 });
    const { input, output, columns } = model;
    const shape: RowShape = { input, output, columns };
    const bytes = new Uint8Array(model.bytes); // just what a view shows: `slice()` of a Buffer is another view
    const opened = this.#other.send((id) => ({ id, kind: 'open', bytes, model: shape, options }));
    const session = await opened.catch(async (error: unknown) => {
      await here.release();
      throw error;
    });
    const open: OpenModel = { ...shape, here, session };
    let released: Promise<void> | undefined;
    return {
      ask: (rows) => {
        invariant(released === undefined, () => 'a released session was run');
        return this.#ask(open, rows);
      },
      release: () => {
        released ??= this.#release(open);
        return released;
      },
    };
  }

  close(): Promise<void> {
    return this.#other.close();
  }

  #ask(model: OpenModel, rows: Float32Array): Asked {
    const count = rows.length / this.#width;
    invariant(Number.isInteger(count), () => `${rows.length} numbers are no rows of ${this.#width}`);
    const found = new Float32Array(count * model.columns);
    const pieces: Piece[] = [];
    for (let start = 0; start < count; start += BATCH_ROWS) {
      const end = Math.min(count, start + BATCH_ROWS);
      pieces.push({
        model,
        rows: rows.subarray(start * this.#width, end * this.#width),
        found: found.subarray(start * model.columns, end * model.columns),
        batch: undefined,
        isFinished: false,
      });
    }
    if (count >= SHARED_FROM) {
      this.#pieces.push(...pieces);
      this.#takeDown();
    }
    const isFinished = () => pieces.every((piece) => piece.isFinished);
    return askedOnce(async () => {
      if (count < SHARED_FROM) for (const piece of pieces) await this.#computeAlone(piece);
      else await this.#help(isFinished);
      return found;
    });
  }

  /** Puts on the board what it has room for, in order. */
  #post(): void {
    for (const piece of this.#pieces) {
      if (piece.batch !== undefined) continue;
      const number = this.#board.posted;
      if (!RowBoard.hasRoom(number, this.#pieces[0]!.batch ?? number)) return;
      piece.batch = number;
      if (this.#board.post(piece.model.session, piece.rows)) this.#other.wake();
    }
  }

  /** Takes down what is finished, from the front. */
  #takeDown(): void {
    for (let first = this.#pieces[0]; first?.batch !== undefined; first = this.#pieces[0]) {
      const found = this.#board.output(first.batch, first.model.columns);
      if (found === undefined) break;
      first.found.set(found);
      first.isFinished = true;
      this.#pieces.shift();
    }
    this.#post();
  }

  /** Computes rows that nobody has begun, the oldest first, until what is waited for is finished. */
  async #help(isFinished: () => boolean): Promise<void> {
    for (;;) {
      const seen = this.#board.finished;
      this.#takeDown();
      if (isFinished()) return;
      if (this.#other.gone !== undefined) throw this.#other.gone;
      if (await this.#computeNext()) continue;
      // A run of this thread begins at its next turn, which a wait would put off: somebody else's, who takes rows at the same time.
      if (this.#running === 0) this.#board.waitForFinished(seen, WAIT_MS);
      if (this.#board.finished === seen) await breathe(); // the other thread takes long: perhaps it has ended
    }
  }

  /** @returns whether there was something to compute */
  async #computeNext(): Promise<boolean> {
    for (const piece of this.#pieces) {
      if (piece.batch === undefined) return false;
      const claim = this.#board.claim(piece.batch, sizeOfClaim);
      if (claim === undefined) continue;
      await this.#compute(claim, piece);
      return true;
    }
    return false;
  }

  async #compute(claim: Claim, { model, rows: all }: Piece): Promise<void> {
    const rows = all.subarray(claim.start * this.#width, (claim.start + claim.count) * this.#width);
    this.#running++;
    try {
      this.#board.finish(claim, await runRows(model.here, model, rows, this.#width));
    } catch (error) {
      this.#other.end(error instanceof Error ? error : new Error(String(error))); // its rows will never be finished
      throw error;
    } finally {
      this.#running--;
    }
  }

  async #computeAlone(piece: Piece): Promise<void> {
    piece.found.set(await runRows(piece.model.here, piece.model, piece.rows, this.#width));
  }

  async #release(model: OpenModel): Promise<void> {
    try {
      await this.#help(() => this.#pieces.every((piece) => piece.model !== model));
      await this.#other.send((id) => ({ id, kind: 'release', session: model.session }));
    } finally {
      await model.here.release();
    }
  }
}

/** Starts a thread beside this one. @param widths the rows of all models: as many numbers as go in, and as many as come out at most */
export const startRowSharing = (widths: RowWidths): RowSharing => new TwoThreads(widths);
