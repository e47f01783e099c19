import { parentPort, workerData } from 'node:worker_threads';
import { toProblem } from '../common/errors.js';
import { assertNever, invariant } from '../common/invariant.js';
import { RowBoard, sizeOfClaim } from './row-board.js';
import { type RowShape, runRows } from './rows.js';
import { createSession, type ModelSession } from './session.js';
import type { Errand, ErrandReply, SharingSetup } from './shared-rows.js';

/** How long it waits for the next batch before it lies down until a message comes. */
const IDLE_MS = 20;

function failure(error: unknown, id?: number): ErrandReply {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'failed', ...(id !== undefined && { id }), problem: toProblem(error), message, stack };
}

/** The thread's entry: makes sessions, and runs them on the rows of the board while there are any. */
function serve({ memory, widths }: SharingSetup, port: NonNullable<typeof parentPort>): void {
  const board = new RowBoard(memory, widths);
  const sessions = new Map<number, { readonly session: ModelSession; readonly model: RowShape }>();
  let batch = 0; // the next to look at
  let errands = 0; // that were heard
  let woken = 0; // the number of the last message to wake, until it is answered; what it is about may be done before it is heard

  const computeBatches = async (): Promise<void> => {
    while (board.errands <= errands && !board.isClosing) {
      // what is heard may be announced only now

      if (batch === board.posted) {
        if (!board.waitForPosted(batch, IDLE_MS) && board.sleep(batch)) return;
        continue;
      }
      const claim = board.claim(batch, sizeOfClaim);
      if (claim === undefined) {
        batch++;
        continue;
      }
      const opened = sessions.get(claim.session);
      invariant(opened !== undefined, () => `this thread has no session ${claim.session}`);
      const rows = board.input(claim).slice(); // the binding takes no shared memory
      board.finish(claim, await runRows(opened.session, opened.model, rows, widths.input));
    }
  };

  const run = async (errand: Errand): Promise<void> => {
    const { id } = errand;
    switch (errand.kind) {
      case 'wake':
        woken = id;
        return;
      case 'open':
        sessions.set(id, { session: await createSession(errand.bytes, errand.options), model: errand.model });
        break;
      case 'release':
        await sessions.get(errand.session)?.session.release();
        sessions.delete(errand.session);
        break;
      case 'close':
        try {
          for (const { session } of sessions.values()) await session.release();
        } finally {
          port.close(); // nothing is left that keeps the thread
        }
        return;
      default:
        return assertNever(errand);
    }
    port.postMessage({ kind: 'done', id } satisfies ErrandReply);
  };

  let turn = Promise.resolve();
  port.on('message', (errand: Errand) => {
    turn = turn.then(async () => {
      if (errand.kind !== 'wake') errands++;
      await run(errand).catch((error: unknown) => port.postMessage(failure(error, errand.id)));
      if (board.isAwake) await computeBatches().catch((error: unknown) => port.postMessage(failure(error)));
      if (board.isAwake || woken === 0) return;
      port.postMessage({ kind: 'asleep', id: woken } satisfies ErrandReply);
      woken = 0;
    });
  });
}

invariant(parentPort !== null, () => 'row-worker is the entry of a worker thread');
serve(workerData as SharingSetup, parentPort); // what the other side passed, by structured clone
