import { parentPort, workerData } from 'node:worker_threads';
import { toProblem } from '../common/errors.js';
import { assertNever, invariant } from '../common/invariant.js';
import { createSession, type ModelSession } from './session.js';
import { buffersOf, type ThreadReply, type ThreadRequest, type ThreadSetup } from './session-thread.js';

/** The thread's entry: makes sessions and runs them, one request after the other. */
function serve({ isClosing }: ThreadSetup, port: NonNullable<typeof parentPort>): void {
  const sessions = new Map<number, ModelSession>();
  const sessionOf = (id: number): ModelSession => {
    const session = sessions.get(id);
    invariant(session !== undefined, () => `this thread has no session ${id}`);
    return session;
  };
  const close = async (): Promise<void> => {
    for (const session of sessions.values()) await session.release();
    sessions.clear();
    port.close(); // nothing is left that keeps the thread
  };
  const answer = async (request: Exclude<ThreadRequest, { kind: 'close' }>): Promise<ThreadReply> => {
    const { id } = request;
    switch (request.kind) {
      case 'create': {
        const session = await createSession(request.model, request.options);
        sessions.set(id, session);
        return { kind: 'created', id, inputNames: session.inputNames, outputNames: session.outputNames };
      }
      case 'run':
        return {
          kind: 'ran',
          id,
          outputs: await sessionOf(request.session).run(request.feeds, request.outputs),
          spent: buffersOf(request.feeds),
        };
      case 'release':
        await sessionOf(request.session).release();
        sessions.delete(request.session);
        return { kind: 'released', id };
      default:
        return assertNever(request);
    }
  };
  let turn = Promise.resolve();
  port.on('message', (request: ThreadRequest) => {
    turn = turn.then(async () => {
      if (request.kind === 'close') return close();
      if (Atomics.load(isClosing, 0) !== 0) return; // nobody waits for it
      const reply = await answer(request).catch(
        (error: unknown): ThreadReply => ({
          kind: 'failed',
          id: request.id,
          problem: toProblem(error),
          message: error instanceof Error ? error.message : String(error),
          stack: error instanceof Error ? (error.stack ?? '') : '',
        }),
      );
      port.postMessage(reply, reply.kind === 'ran' ? [...buffersOf(reply.outputs), ...reply.spent] : []); // outputs own their memory
    });
  });
}

invariant(parentPort !== null, () => 'session-worker is the entry of a worker thread');
serve(workerData as ThreadSetup, parentPort); // what the other side passed, by structured clone
