/** Rows of one batch at most; they are counted in ten bits. */
export const BATCH_ROWS = 512;
/** Batches that are on the board at most. */
const SLOTS = 8;

/** Words that concern all batches. */
const POSTED = 0;
const FINISHED = 1;
const AWAKE = 2;
const ERRANDS = 3;
const CLOSING = 4;
/** The first word of the slots, and those of each. */
const FIRST_SLOT = 8;
const WORDS_PER_SLOT = 3;
const WORDS = FIRST_SLOT + SLOTS * WORDS_PER_SLOT;
/** What can be claimed, see {@link claimsOf}; the session; rows that are finished. */
const CLAIMS = 0;
const SESSION = 1;
const DONE = 2;

/** Bits of a number of rows, and of the last of a batch's number. */
const ROW_BITS = 10;
const ROW_MASK = 2 ** ROW_BITS - 1;
const NUMBER_MASK = 2 ** 11 - 1;

/**
 * Whose slot it is, its rows and the next of them that nobody has claimed, in one word: so whoever claims rows of a batch that went meanwhile has the word
 * of a batch that is wholly claimed, or fails to exchange it.
 */
const claimsOf = (batch: number, rows: number, next: number): number =>
  ((batch & NUMBER_MASK) << (2 * ROW_BITS)) | (rows << ROW_BITS) | next;

/** Numbers of a row that goes in, and of the longest that comes out. */
export interface RowWidths {
  readonly input: number;
  readonly output: number;
}

/** Rows of a batch that one thread has taken upon itself. */
export interface Claim {
  readonly batch: number;
  readonly session: number;
  readonly start: number;
  readonly count: number;
}

/** Fewer rows than this are claimed together: a model's weights are read for each run, and dozens of rows take as long to multiply as these to read. */
const UNDIVIDED = 128;

/** How many of the rows that are left are claimed at once: half, so that runs are few and the threads end at about the same time. */
export const sizeOfClaim = (left: number): number => (left < UNDIVIDED ? left : Math.ceil(left / 2));

/** The memory of a board. */
export function boardMemory({ input, output }: RowWidths): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * (WORDS + SLOTS * BATCH_ROWS * (input + output)));
}

/**
 * Batches of rows in memory that two threads share: one posts them, both claim rows of them and write what these give, without a message.
 * A batch keeps its slot until it is finished and the thread that posted it has taken it down. Mutable.
 */
export class RowBoard {
  readonly #words: Int32Array;
  readonly #inputs: Float32Array;
  readonly #outputs: Float32Array;
  readonly #widths: RowWidths;

  constructor(memory: SharedArrayBuffer, widths: RowWidths) {
    const inputs = SLOTS * BATCH_ROWS * widths.input;
    this.#words = new Int32Array(memory, 0, WORDS);
    this.#inputs = new Float32Array(memory, 4 * WORDS, inputs);
    this.#outputs = new Float32Array(memory, 4 * (WORDS + inputs));
    this.#widths = widths;
  }

  /** Number of batches that were posted: the number of the next. */
  get posted(): number {
    return Atomics.load(this.#words, POSTED);
  }

  get isClosing(): boolean {
    return Atomics.load(this.#words, CLOSING) !== 0;
  }

  /** How many messages were announced by {@link announce}. */
  get errands(): number {
    return Atomics.load(this.#words, ERRANDS);
  }

  /** Whether batch `number` would find a slot, where those from `oldest` on are up. */
  static hasRoom(number: number, oldest: number): boolean {
    return number - oldest < SLOTS;
  }

  /** Posts the next batch. @param rows `[n, input]`, at most {@link BATCH_ROWS}. @returns whether the other thread sleeps and has to be woken by a message */
  post(session: number, rows: Float32Array): boolean {
    const number = this.posted;
    const at = this.#slot(number);
    this.#inputs.set(rows, (number % SLOTS) * BATCH_ROWS * this.#widths.input);
    Atomics.store(this.#words, at + SESSION, session);
    Atomics.store(this.#words, at + DONE, 0);
    // Last of the slot: from here on rows can be claimed.
    Atomics.store(this.#words, at + CLAIMS, claimsOf(number, rows.length / this.#widths.input, 0));
    Atomics.add(this.#words, POSTED, 1);
    if (Atomics.exchange(this.#words, AWAKE, 1) === 0) return true;
    Atomics.notify(this.#words, POSTED);
    return false;
  }

  /** Claims the next rows of a batch. @param sizeOf how many of those that are left. @returns undefined where none is left, or the batch is down already */
  claim(batch: number, sizeOf: (left: number) => number): Claim | undefined {
    const at = this.#slot(batch);
    for (;;) {
      const word = Atomics.load(this.#words, at + CLAIMS);
      const [rows, start] = [(word >> ROW_BITS) & ROW_MASK, word & ROW_MASK];
      if (claimsOf(batch, rows, start) !== word || start === rows) return undefined;
      const count = Math.min(rows - start, sizeOf(rows - start));
      if (Atomics.compareExchange(this.#words, at + CLAIMS, word, word + count) !== word) continue;
      return { batch, session: Atomics.load(this.#words, at + SESSION), start, count };
    }
  }

  /** The rows of a claim, `[count, input]`: a view. */
  input({ batch, start, count }: Claim): Float32Array {
    const width = this.#widths.input;
    const at = ((batch % SLOTS) * BATCH_ROWS + start) * width;
    return this.#inputs.subarray(at, at + count * width);
  }

  /** Writes what the rows of a claim gave, `[count, columns]`, and counts them as finished. */
  finish({ batch, start, count }: Claim, values: Float32Array): void {
    const columns = values.length / count;
    this.#outputs.set(values, (batch % SLOTS) * BATCH_ROWS * this.#widths.output + start * columns);
    Atomics.add(this.#words, this.#slot(batch) + DONE, count);
    Atomics.add(this.#words, FINISHED, 1);
    Atomics.notify(this.#words, FINISHED);
  }

  /** What a batch gave, `[n, columns]`: a view; undefined while rows are missing. */
  output(batch: number, columns: number): Float32Array | undefined {
    const at = this.#slot(batch);
    const rows = (Atomics.load(this.#words, at + CLAIMS) >> ROW_BITS) & ROW_MASK;
    if (Atomics.load(this.#words, at + DONE) < rows) return undefined;
    const start = (batch % SLOTS) * BATCH_ROWS * this.#widths.output;
    return this.#outputs.subarray(start, start + rows * columns);
  }

  /** How often rows were finished, to wait for more. */
  get finished(): number {
    return Atomics.load(this.#words, FINISHED);
  }

  /** Blocks until rows are finished beyond `seen`. @param ms at most */
  waitForFinished(seen: number, ms: number): void {
    Atomics.wait(this.#words, FINISHED, seen, ms);
  }

  /** Blocks until there is more than `posted`, or something is announced meanwhile. @param ms at most. @returns false where that time has passed */
  waitForPosted(posted: number, ms: number): boolean {
    return Atomics.wait(this.#words, POSTED, posted, ms) !== 'timed-out';
  }

  /** Lies down, unless there is more than `posted`: the next post then says that a message is needed. @returns whether it did */
  sleep(posted: number): boolean {
    Atomics.store(this.#words, AWAKE, 0);
    if (this.posted === posted) return true;
    Atomics.store(this.#words, AWAKE, 1);
    return false;
  }

  get isAwake(): boolean {
    return Atomics.load(this.#words, AWAKE) !== 0;
  }

  /** Says that a message follows, so that the other thread stops waiting for batches and hears it. */
  announce(): void {
    Atomics.add(this.#words, ERRANDS, 1);
    Atomics.notify(this.#words, POSTED);
  }

  /** Says that nothing on the board is waited for any more. */
  close(): void {
    Atomics.store(this.#words, CLOSING, 1);
  }

  #slot(batch: number): number {
    return FIRST_SLOT + (batch % SLOTS) * WORDS_PER_SLOT;
  }
}
