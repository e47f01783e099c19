import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BespokeError } from '../../../src/common/errors.js';
import { makeRng } from '../../../src/common/rng.js';
import { GraphBuilder } from '../../../src/onnx/builder.js';
import { encodeModel } from '../../../src/onnx/codec.js';
import { createSession, type ModelSession, type SessionOptions } from '../../../src/runtime/session.js';
import { type SessionThread, startSessionThread } from '../../../src/runtime/session-thread.js';
import { floats, int64s, type Tensor, tensorFrom } from '../../../src/tensor/tensor.js';

const options: SessionOptions = { threads: 1, optimization: 'all' };
const FEATURES = 67;

/** Dense, ReLU and softmax over random weights: sums in float32, whose order shows in the bits. */
function dense(): Uint8Array {
  const graph = new GraphBuilder('dense');
  const rng = makeRng(21);
  const weight = floats(
    [FEATURES, 90],
    Float32Array.from({ length: FEATURES * 90 }, () => rng.normal()),
  );
  const product = graph.node('MatMul', [
    graph.input('x', 'float32', ['N', FEATURES]),
    graph.initializer('weight', weight),
  ]);
  const positive = graph.node('Relu', [product], { name: 'positive' });
  graph.output(positive, 'float32', ['N', 90]);
  graph.output(graph.node('Softmax', [positive], { name: 'shares' }), 'float32', ['N', 90]);
  return encodeModel(graph.model());
}

/** A model that hands on its inputs, of two types. */
function passThrough(): Uint8Array {
  const graph = new GraphBuilder('pass');
  for (const [name, type] of [
    ['f', 'float32'],
    ['l', 'int64'],
    ['b', 'bool'],
  ] as const) {
    graph.output(graph.node('Identity', [graph.input(name, type, ['N'])], { name: `${name}.out` }), type, ['N']);
  }
  return encodeModel(graph.model());
}

function rowsOf(count: number, seed: number): Tensor {
  const rng = makeRng(seed);
  return floats(
    [count, FEATURES],
    Float32Array.from({ length: count * FEATURES }, () => rng.normal()),
  );
}

const bitsOf = ({ data }: Tensor): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

let thread: SessionThread;
let apart: ModelSession;
let here: ModelSession;
beforeAll(async () => {
  thread = startSessionThread();
  [apart, here] = [await thread.createSession(dense(), options), await createSession(dense(), options)];
});
afterAll(async () => {
  await Promise.all([apart.release(), here.release()]);
  await thread.close();
});

describe('a session on a thread of its own', () => {
  it('computes to the bit what one in this thread does, with its names', async () => {
    expect(apart.inputNames).toEqual(here.inputNames);
    expect(apart.outputNames).toEqual(here.outputNames);
    for (const [count, seed] of [
      [1, 1],
      [3, 2],
      [200, 3],
    ] as const) {
      const x = rowsOf(count, seed);
      const [found, expected] = [await apart.run({ x }), await here.run({ x })];
      expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
      for (const [name, tensor] of Object.entries(expected)) {
        expect(found[name]!.dims).toEqual(tensor.dims);
        expect(bitsOf(found[name]!)).toEqual(bitsOf(tensor));
      }
    }
    const named = await apart.run({ x: rowsOf(2, 4) }, ['shares']);
    expect(Object.keys(named)).toEqual(['shares']);
  });

  it('answers runs that did not wait for each other in order, each by what its buffers held when it was asked', async () => {
    const own = new Float32Array(5 * FEATURES);
    const shared = new Float32Array(new SharedArrayBuffer(4 * own.length));
    const runs = Array.from({ length: 12 }, (_, run) => run);
    const expected: Uint8Array[] = [];
    for (const run of runs) expected.push(bitsOf((await here.run({ x: rowsOf(5, run) })).shares!));
    const order: number[] = [];
    const asked = runs.map((run) => {
      const data = run % 2 === 0 ? own : shared;
      data.set(rowsOf(5, run).data as Float32Array); // the last values of both are what no earlier run may see
      const answer = apart.run({ x: floats([5, FEATURES], data) });
      void answer.then(() => order.push(run));
      return answer;
    });
    const found = await Promise.all(asked);
    expect(found.map((outputs) => bitsOf(outputs.shares!))).toEqual(expected);
    expect(order).toEqual(runs);
  });

  it('reads views into larger buffers and into shared memory, of every kind of array', async () => {
    const session = await thread.createSession(passThrough(), options);
    const whole = Float32Array.from({ length: 1_000 }, (_, i) => i / 8);
    const shared = new BigInt64Array(new SharedArrayBuffer(80)).fill(7n, 3, 5);
    const outputs = await session.run({
      f: floats([2], whole.subarray(500, 502)),
      l: tensorFrom('int64', [4], shared.subarray(2, 6)),
      b: tensorFrom('bool', [3], Uint8Array.of(9, 1, 0, 1).subarray(1)),
    });
    await session.release();
    expect(outputs).toEqual({
      'f.out': floats([2], [62.5, 62.625]),
      'l.out': int64s([0, 7, 7, 0]),
      'b.out': tensorFrom('bool', [3], Uint8Array.of(1, 0, 1)),
    });
    expect(whole[500]).toBe(62.5); // still ours: nothing was handed over
  });

  it('loads a model from a view into a larger buffer', async () => {
    const model = passThrough();
    const larger = new Uint8Array(model.length + 100);
    larger.set(model, 40);
    const session = await thread.createSession(larger.subarray(40, 40 + model.length), options);
    expect([...session.inputNames].sort()).toEqual(['b', 'f', 'l']);
    await session.release();
  });

  it('refuses a model as in this thread, and goes on', async () => {
    const failureOf = (made: Promise<ModelSession>): Promise<unknown> =>
      made.then(undefined, (reason: unknown) => reason);
    const model = Uint8Array.of(1, 2, 3);
    const [found, expected] = [
      await failureOf(thread.createSession(model, options)),
      await failureOf(createSession(model, options)),
    ];
    expect(found).toBeInstanceOf(BespokeError);
    expect(found).toMatchObject({ code: 'invalid-request', message: (expected as BespokeError).message });
    expect(expected).toMatchObject({ code: 'invalid-request' });
    expect((await apart.run({ x: rowsOf(1, 1) })).shares!.dims).toEqual([1, 90]);
  });

  it('fails a run alone whose inputs do not fit', async () => {
    const bad = apart.run({ x: floats([1, 2], [1, 2]) });
    const good = apart.run({ x: rowsOf(1, 1) });
    await expect(bad).rejects.toThrow(/invalid dimensions/); // what ONNX Runtime says
    expect((await good).shares!.dims).toEqual([1, 90]);
  });

  it('is released once, and not run afterwards, while others are', async () => {
    const session = await thread.createSession(dense(), options);
    const before = session.run({ x: rowsOf(1, 1) }); // asked before: still answered
    await Promise.all([session.release(), session.release()]);
    await session.release();
    expect((await before).shares!.dims).toEqual([1, 90]);
    await expect(session.run({ x: rowsOf(1, 1) })).rejects.toThrow('a released session was run');
    expect((await apart.run({ x: rowsOf(1, 1) })).shares!.dims).toEqual([1, 90]);
  });
});

describe('a thread of sessions', () => {
  it('fails what is awaited and what is asked later when it is closed, which may be twice', async () => {
    const closed = startSessionThread();
    const session = await closed.createSession(dense(), options);
    const x = rowsOf(5_000, 1);
    const runs = Array.from({ length: 30 }, () => session.run({ x }));
    const settled = Promise.allSettled(runs);
    const made = expect(closed.createSession(dense(), options)).rejects.toThrow(/the thread of the sessions ended/);
    await closed.close();
    await closed.close();
    await made;
    const last = (await settled).at(-1)!;
    expect(last.status).toBe('rejected');
    await expect(session.run({ x })).rejects.toThrow(/the thread of the sessions ended/);
    await expect(closed.createSession(dense(), options)).rejects.toThrow(/the thread of the sessions ended/);
  });

  // A process: seconds on a busy machine.
  it('does not keep a process alive that forgot to close it, and does while something is awaited', {
    timeout: 60_000,
  }, () => {
    const code = `
      const { startSessionThread } = await import('./src/runtime/session-thread.js');
      const thread = startSessionThread();
      const model = Buffer.from(process.env.MODEL, 'base64');
      thread.createSession(model, { threads: 1, optimization: 'all' }).then(async (session) => {
        const data = Float32Array.of(1, 2);
        const outputs = await session.run({
          f: { type: 'float32', dims: [2], data },
          l: { type: 'int64', dims: [1], data: BigInt64Array.of(3n) },
          b: { type: 'bool', dims: [1], data: Uint8Array.of(1) },
        });
        console.log([...outputs['f.out'].data].join());
      });`;
    const { status, stdout, signal } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', code],
      {
        env: { ...process.env, MODEL: Buffer.from(passThrough()).toString('base64') },
        encoding: 'utf8',
        timeout: 50_000,
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    expect({ status, signal, stdout: stdout.trim() }).toEqual({ status: 0, signal: null, stdout: '1,2' });
  });
});
