import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BespokeError } from '../../../src/common/errors.js';
import { makeRng } from '../../../src/common/rng.js';
import { breathe } from '../../../src/common/work.js';
import { GraphBuilder } from '../../../src/onnx/builder.js';
import { encodeModel } from '../../../src/onnx/codec.js';
import { BATCH_ROWS, boardMemory, RowBoard } from '../../../src/runtime/row-board.js';
import { type OpenedRows, openRows, type RowModel } from '../../../src/runtime/rows.js';
import type { SessionOptions } from '../../../src/runtime/session.js';
import { type Errand, type RowSharing, type SharingSetup, startRowSharing } from '../../../src/runtime/shared-rows.js';
import { startThread } from '../../../src/runtime/thread.js';
import { floats } from '../../../src/tensor/tensor.js';

const options: SessionOptions = { threads: 1, optimization: 'all' };
const WIDTH = 67;
const COLUMNS = 90;
/** Of more rows than the board has room for: eight batches. */
const MANY = 9 * BATCH_ROWS + 5;

/** Dense and ReLU over random weights: sums in float32, whose order shows in the bits. */
function dense(seed: number, columns = COLUMNS): RowModel {
  const graph = new GraphBuilder('dense');
  const rng = makeRng(seed);
  const weight = floats(
    [WIDTH, columns],
    Float32Array.from({ length: WIDTH * columns }, () => rng.normal()),
  );
  const product = graph.node('MatMul', [
    graph.input('x', 'float32', ['N', WIDTH]),
    graph.initializer('weight', weight),
  ]);
  graph.output(graph.node('Relu', [product], { name: 'y' }), 'float32', ['N', columns]);
  return { bytes: encodeModel(graph.model()), input: 'x', output: 'y', columns };
}

function rowsOf(count: number, seed: number): Float32Array {
  const rng = makeRng(seed);
  return Float32Array.from({ length: count * WIDTH }, () => rng.normal());
}

const bitsOf = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

/** Whether two answers agree to the bit; a matcher takes seconds for so many numbers. */
const isSame = (a: Float32Array, b: Float32Array): boolean => bitsOf(a).equals(bitsOf(b));

let sharing: RowSharing;
let shared: OpenedRows;
let other: OpenedRows;
let here: OpenedRows;
beforeAll(async () => {
  sharing = startRowSharing({ input: WIDTH, output: COLUMNS });
  shared = await sharing.open(dense(21), options);
  other = await sharing.open(dense(22, 1), options);
  here = await openRows(dense(21), WIDTH, options);
});
afterAll(async () => {
  await Promise.all([shared.release(), other.release(), here.release()]);
  await sharing.close();
});

describe('rows that two threads share', () => {
  it('give to the bit what they give in one thread, whoever computes which of them', async () => {
    for (const [count, seed] of [
      [0, 1],
      [1, 2],
      [13, 3],
      [200, 4],
      [BATCH_ROWS, 5],
      [BATCH_ROWS + 1, 6],
      [MANY, 7],
    ] as const) {
      const rows = rowsOf(count, seed);
      const expected = await here.ask(rows).take();
      expect(expected.length).toBe(count * COLUMNS);
      expect(isSame(await shared.ask(rows).take(), expected), `${count} rows, at once`).toBe(true);
      const asked = shared.ask(rows);
      for (let turn = 0; turn < 5; turn++) await breathe(); // the other thread has begun, or is done
      expect(isSame(await asked.take(), expected), `${count} rows, later`).toBe(true);
    }
  });

  it('are told apart where several are asked for before any is taken, in whatever order they are', async () => {
    const single = await openRows(dense(22, 1), WIDTH, options);
    const counts = [300, 21, 340, 5, 64, MANY, 1, 128, 513];
    const asked = counts.map((count, i) => (i % 2 === 0 ? shared : other).ask(rowsOf(count, i)));
    const rng = makeRng(31);
    const order = counts.map((_, i) => ({ i, at: rng.next() })).sort((a, b) => a.at - b.at);
    for (const { i } of order) {
      const expected = await (i % 2 === 0 ? here : single).ask(rowsOf(counts[i]!, i)).take();
      expect(isSame(await asked[i]!.take(), expected), `${counts[i]} rows`).toBe(true);
    }
    await single.release();
  });

  it('are the same where they are taken again, and by several at once', async () => {
    const rows = rowsOf(700, 8);
    const expected = await here.ask(rows).take();
    const asked = shared.ask(rows);
    const all = await Promise.all([asked.take(), asked.take(), shared.ask(rows).take(), asked.take()]);
    expect(all.map((each) => isSame(each, expected))).toEqual([true, true, true, true]);
    expect(isSame(await asked.take(), expected)).toBe(true);
  });

  it('are read from a view into a larger buffer, and need not be taken', async () => {
    const larger = rowsOf(400, 9);
    const view = larger.subarray(100 * WIDTH, 300 * WIDTH);
    const expected = await here.ask(view.slice()).take();
    for (let left = 0; left < 20; left++) shared.ask(rowsOf(300, left)); // more than the board has room for
    expect(isSame(await shared.ask(view).take(), expected)).toBe(true);
  });

  it('are computed while this thread does something else: what is taken then needs no turn of its events', async () => {
    const rows = rowsOf(400, 10);
    const expected = await here.ask(rows).take();
    // A run of this thread takes a turn. How long the other one needs is not known, so that it is tried with more and more time.
    let turned = true;
    for (let turns = 10; turned; turns *= 2) {
      const asked = shared.ask(rows); // the test's own time limit ends this where the other thread does nothing
      for (let turn = 0; turn < turns; turn++) await breathe();
      turned = false;
      const turn = setImmediate(() => {
        turned = true;
      });
      expect(isSame(await asked.take(), expected)).toBe(true);
      clearImmediate(turn);
    }
  });

  it('must be whole', () => {
    expect(() => shared.ask(new Float32Array(WIDTH + 1))).toThrow(`${WIDTH + 1} numbers are no rows of ${WIDTH}`);
  });
});

describe('a model that two threads share', () => {
  it('is refused as in one thread, and others go on', async () => {
    const failureOf = (made: Promise<OpenedRows>): Promise<unknown> =>
      made.then(undefined, (reason: unknown) => reason);
    const model = { ...dense(1), bytes: Uint8Array.of(1, 2, 3) };
    const [found, expected] = [
      await failureOf(sharing.open(model, options)),
      await failureOf(openRows(model, WIDTH, options)),
    ];
    expect(found).toBeInstanceOf(BespokeError);
    expect(found).toMatchObject({ code: 'invalid-request', message: (expected as BespokeError).message });
    expect((await shared.ask(rowsOf(100, 1)).take()).length).toBe(100 * COLUMNS);
  });

  it('is loaded from a view into a larger buffer', async () => {
    const model = dense(21);
    const larger = new Uint8Array(model.bytes.length + 100);
    larger.set(model.bytes, 40);
    const bytes = larger.subarray(40, 40 + model.bytes.length);
    const opened = await sharing.open({ ...model, bytes }, options);
    const rows = rowsOf(300, 12);
    expect(isSame(await opened.ask(rows).take(), await here.ask(rows).take())).toBe(true);
    await opened.release();
  });

  it('is released once, after what was asked before, and not run afterwards, while others are', async () => {
    const opened = await sharing.open(dense(21), options);
    const rows = rowsOf(MANY, 13);
    const asked = opened.ask(rows);
    await Promise.all([opened.release(), opened.release()]);
    await opened.release();
    expect(isSame(await asked.take(), await here.ask(rows).take())).toBe(true);
    expect(() => opened.ask(rows)).toThrow('a released session was run');
    expect((await shared.ask(rowsOf(100, 1)).take()).length).toBe(100 * COLUMNS);
  });
});

describe('the thread beside this one', () => {
  it('fails what is taken and what is opened once it is closed, which may be twice', async () => {
    const closed = startRowSharing({ input: WIDTH, output: COLUMNS });
    const opened = await closed.open(dense(21), options);
    const rows = rowsOf(MANY, 1);
    const asked = Array.from({ length: 9 }, () => opened.ask(rows));
    const settled = Promise.allSettled(asked.map((each) => each.take()));
    const made = expect(closed.open(dense(1), options)).rejects.toThrow(/the thread that shares rows ended/);
    await closed.close();
    await closed.close();
    await made;
    expect((await settled).at(-1)!.status).toBe('rejected');
    await expect(opened.ask(rowsOf(100, 1)).take()).rejects.toThrow(/the thread that shares rows ended/);
    await expect(closed.open(dense(1), options)).rejects.toThrow(/the thread that shares rows ended/);
    await opened.release().catch(() => undefined);
  });

  it('computes alone what this one leaves to it', async () => {
    const widths = { input: WIDTH, output: COLUMNS };
    const memory = boardMemory(widths);
    const board = new RowBoard(memory, widths);
    const workerData: SharingSetup = { memory, widths };
    const thread = startThread(new URL('../../../src/runtime/row-worker', import.meta.url), { workerData });
    const answer = () => new Promise((resolve) => thread.once('message', resolve));
    const opened = answer();
    const { bytes, ...model } = dense(21);
    thread.postMessage({ id: 1, kind: 'open', bytes, model, options } satisfies Errand);
    board.announce();
    expect(await opened).toEqual({ kind: 'done', id: 1 });
    const rows = rowsOf(500, 14);
    if (board.post(1, rows)) thread.postMessage({ id: 2, kind: 'wake' } satisfies Errand);
    while (board.output(0, COLUMNS) === undefined) await breathe(); // the test's own time limit ends this
    expect(isSame(board.output(0, COLUMNS)!.slice(), await here.ask(rows).take())).toBe(true);
    const exited = new Promise((resolve) => thread.once('exit', resolve));
    board.close();
    thread.postMessage({ id: 3, kind: 'close' } satisfies Errand);
    board.announce();
    expect(await exited).toBe(0);
  });

  it('says what went wrong in a run, and what is taken fails', async () => {
    const wrong = startRowSharing({ input: WIDTH, output: COLUMNS });
    // An output that the model does not have is found out about when it runs.
    const opened = await wrong.open({ ...dense(21), output: 'nothing' }, options);
    await expect(opened.ask(rowsOf(500, 1)).take()).rejects.toThrow(/nothing/);
    await expect(opened.ask(rowsOf(500, 1)).take()).rejects.toThrow();
    await opened.release().catch(() => undefined);
    await wrong.close();
  });

  // Processes: seconds on a busy machine.
  it('does not keep a process alive that forgot to close it, and does what was taken first', {
    timeout: 60_000,
  }, () => {
    const code = `
      sharing.open({ bytes: chain(1), input: 'x', output: 'y', columns: WIDTH }, options)
        .then(async (model) => console.log((await model.ask(new Float32Array(300 * WIDTH)).take()).length));`;
    expect(runAlone(code)).toEqual({ status: 0, signal: null, stdout: `${300 * CHAIN_WIDTH}` });
  });

  it('keeps a process alive in the middle of a run, though nobody takes it', { timeout: 60_000 }, () => {
    const code = `
      sharing.open({ bytes: chain(8), input: 'x', output: 'y', columns: WIDTH }, options).then(async (model) => {
        for (let asked = 0; asked < 3; asked++) model.ask(new Float32Array(500 * WIDTH));
        await breathe();
        console.log('left');
      });`;
    expect(runAlone(code)).toEqual({ status: 0, signal: null, stdout: 'left' });
  });
});

const CHAIN_WIDTH = 1_000;

/** Runs code in a process of its own, which has a model of as many dense layers as it likes. */
function runAlone(code: string) {
  const begin = `
    const WIDTH = ${CHAIN_WIDTH};
    const options = { threads: 1, optimization: 'disabled' };
    const { startRowSharing } = await import('./src/runtime/shared-rows.js');
    const { breathe } = await import('./src/common/work.js');
    const { GraphBuilder } = await import('./src/onnx/builder.js');
    const { encodeModel } = await import('./src/onnx/codec.js');
    const { filled } = await import('./src/tensor/tensor.js');
    const sharing = startRowSharing({ input: WIDTH, output: WIDTH });
    const chain = (layers) => {
      const graph = new GraphBuilder('chain');
      const weight = graph.initializer('weight', filled([WIDTH, WIDTH], 0.001));
      let x = graph.input('x', 'float32', ['N', WIDTH]);
      for (let layer = 0; layer < layers; layer++) x = graph.node('MatMul', [x, weight]);
      graph.output(graph.node('Identity', [x], { name: 'y' }), 'float32', ['N', WIDTH]);
      return encodeModel(graph.model());
    };`;
  const { status, stdout, signal } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', begin + code],
    { encoding: 'utf8', timeout: 50_000, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  return { status, signal, stdout: stdout.trim() };
}
