import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askedAtOnce } from '../../../src/common/asked.js';
import { makeRng } from '../../../src/common/rng.js';
import type { SearchOptions } from '../../../src/search/result.js';
import { search } from '../../../src/search/search.js';
import type { EncodedObjective, Objective } from '../../../src/search/types.js';
import { bundledSpace } from '../space/published-spaces.js';
import { encodedToy } from './encoded-toy.js';
import { describeWith, limitOn, makeObjective, toyScore } from './toy-objective.js';

const space = bundledSpace();
const describeArchs = describeWith(space);

function optionsFor(changes: Partial<SearchOptions>): SearchOptions {
  return {
    space,
    objective: slopes(),
    constraints: [limitOn(space, 'macs', 6_000_000)],
    describe: describeArchs,
    evaluations: 3_000, // ten climbs in three lanes
    seed: 3,
    resolutions: space.resolutions,
    frontAxis: 'maxMacs',
    without: ['exact'],
    ...changes,
  };
}

const slopes = () => encodedToy(space, { seed: 12, hidden: 12 });
const plain = () => makeObjective(toyScore(space, 12));

/** Waits for so many turns of the event loop, or of the microtask queue. */
async function turns(count: number, kind: 'loop' | 'microtasks'): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await (kind === 'loop' ? new Promise((resolve) => setImmediate(resolve)) : Promise.resolve());
  }
}

/** When an answer is given, once it is known. */
type Delay = () => Promise<void>;

/** The delays of answers, one after the other by a seed: none, some microtasks, or some turns of the event loop, so that later ones overtake. */
function drawn(seed: number): Delay {
  const rng = makeRng(seed);
  return () => (rng.chance(0.4) ? turns(rng.int(7), 'loop') : turns(rng.int(30), 'microtasks'));
}

/** An objective whose answers are delayed; what it is asked is noted when it is asked. */
function delayed(objective: Objective, delay: Delay): Objective {
  const late =
    <A, R>(ask: (asked: A) => Promise<R>) =>
    async (asked: A): Promise<R> => {
      const answer = await ask(asked);
      await delay();
      return answer;
    };
  const lateRows =
    (ask: EncodedObjective['score']): EncodedObjective['score'] =>
    (rows) =>
      askedAtOnce(late((asked: Float32Array) => ask(asked).take())(rows));
  const { score, encoded } = objective;
  if (encoded === undefined) return { score: late(score) };
  return {
    score: late(score),
    encoded: { ...encoded, score: lateRows(encoded.score), slopes: lateRows(encoded.slopes) },
  };
}

describe.each([
  ['slopes', slopes],
  ['no slopes', plain],
])('a search along an objective of %s', (_, make) => {
  it('is the same whenever its objective answers, and asks for the same in the same order', async () => {
    for (const seed of [3, 4]) {
      const atOnce = make();
      const expected = await search(optionsFor({ objective: atOnce, seed }));
      expect(expected.evaluations).toBe(3_000);
      const delays: Delay[] = [() => turns(1, 'loop'), () => turns(9, 'loop'), drawn(31), drawn(32), drawn(33)];
      for (const delay of delays) {
        const objective = make();
        expect(await search(optionsFor({ objective: delayed(objective, delay), seed }))).toEqual(expected);
        expect(objective.asked).toEqual(atOnce.asked);
      }
    }
  });

  it('leaves alone what it asks about until it is answered', async () => {
    const { score, encoded } = make() as Objective;
    const expected = await search(optionsFor({ objective: { score, ...(encoded && { encoded }) } }));
    const delay = drawn(34);
    const readsLate =
      <A, R>(ask: (asked: A) => Promise<R>) =>
      async (asked: A): Promise<R> => {
        await delay();
        return ask(asked);
      };
    const readsRowsLate =
      (ask: EncodedObjective['score']): EncodedObjective['score'] =>
      (rows) =>
        askedAtOnce(readsLate((asked: Float32Array) => ask(asked).take())(rows));
    const late = encoded && {
      ...encoded,
      score: readsRowsLate(encoded.score),
      slopes: readsRowsLate(encoded.slopes),
    };
    const objective = { score: readsLate(score), ...(late && { encoded: late }) };
    expect(await search(optionsFor({ objective }))).toEqual(expected);
  });

  it('keeps an objective that takes long busy while others of its climbs propose', async () => {
    let [waiting, most] = [0, 0];
    const delay = async (): Promise<void> => {
      most = Math.max(most, ++waiting);
      await turns(9, 'loop');
      waiting--;
    };
    await search(optionsFor({ objective: delayed(make(), delay) }));
    expect(most).toBeGreaterThan(1);
  });

  it('takes the reason over where its objective fails in the middle, whatever else is asked then', async () => {
    for (const [failing, delay] of [
      [2, drawn(41)],
      [3, drawn(42)],
      [4, () => turns(3, 'loop')],
      [5, () => turns(0, 'loop')],
      [20, drawn(43)],
      [21, () => turns(3, 'loop')],
    ] as const) {
      let calls = 0;
      const thenFails = async (): Promise<void> => {
        const call = ++calls;
        await delay();
        if (call >= failing) throw new Error(`broken at ${call}`); // and so do all that come after
      };
      await expect(search(optionsFor({ objective: delayed(make(), thenFails) }))).rejects.toThrow(/^broken at \d+$/);
      expect(calls).toBeLessThan(failing + 6); // of three lanes
    }
  });

  it('stops with the reason where it is aborted while answers are awaited', async () => {
    const controller = new AbortController();
    let calls = 0;
    const delay = async (): Promise<void> => {
      if (++calls === 9) controller.abort(new Error('enough'));
      await turns(5, 'loop');
    };
    const { signal } = controller;
    await expect(search(optionsFor({ objective: delayed(make(), delay), signal }))).rejects.toThrow('enough');
    expect(calls).toBeLessThan(9 + 6);
  });
});

describe('the evaluations of a search', () => {
  it.each([1, 2, 3, 7, 29, 100, 301, 602, 901, 999])(
    'are never more than %i, and counted as they are asked',
    async (evaluations) => {
      for (const delay of [() => turns(0, 'loop'), drawn(51)]) {
        const sloped = slopes();
        const { scores, slopes: looks } = sloped.asked;
        const found = await search(optionsFor({ objective: delayed(sloped, delay), evaluations }));
        expect(scores.length + 2 * looks.length).toBe(found.evaluations);
        expect(found.evaluations).toBeLessThanOrEqual(evaluations);
        expect(found.evaluations).toBeGreaterThanOrEqual(evaluations - 1);
        expect([new Set(scores).size, new Set(looks).size]).toEqual([scores.length, looks.length]);
        const best = await slopes().score([found.best.arch]);
        expect(found.best.predictedTop1).toBe(best[0]);

        const toy = plain();
        const other = await search(optionsFor({ objective: delayed(toy, delay), evaluations }));
        expect(other.evaluations).toBe(toy.asked.length);
        expect(other.evaluations).toBe(evaluations);
        expect(other.best.predictedTop1).toBe(Math.max(...toy.asked.map(toyScore(space, 12))));
      }
    },
  );
});

describe('promises of a search', () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => {
    unhandled.push(reason);
  };
  beforeAll(() => {
    process.on('unhandledRejection', note);
  });
  afterAll(() => {
    process.off('unhandledRejection', note);
  });

  it('are all waited for or let go, though all fail', async () => {
    for (const make of [slopes, plain]) {
      for (const failing of [1, 2, 3, 4, 5, 8, 13]) {
        let calls = 0;
        const thenFails = async (): Promise<void> => {
          const isBroken = ++calls >= failing;
          await turns(2, 'loop');
          if (isBroken) throw new Error('broken');
        };
        await expect(search(optionsFor({ objective: delayed(make(), thenFails) }))).rejects.toThrow('broken');
        await turns(9, 'loop'); // what was pending fails now
      }
    }
    expect(unhandled).toEqual([]);
  });
});
