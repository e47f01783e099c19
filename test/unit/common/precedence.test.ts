import { describe, expect, it } from 'vitest';
import { Precedence } from '../../../src/common/precedence.js';
import { breathe, nextStep } from '../../../src/common/work.js';

/** A promise that is settled from outside. */
function opened<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

describe('short work past long work', () => {
  it('holds nobody up where there is none', async () => {
    const precedence = new Precedence();
    expect(await precedence.pause()).toBe(false);
    expect(await nextStep({})).toBe(false);
  });

  it('holds the next step up until what was under way is done, whether it went well or not', async () => {
    const precedence = new Precedence();
    const [good, bad] = [opened<number>(), opened<number>()];
    const order: string[] = [];
    const first = precedence.first(() => good.promise).then((value) => order.push(`answer ${value}`));
    const second = precedence.first(() => bad.promise).catch((error: Error) => order.push(error.message));
    const step = nextStep({ pause: precedence.pause }).then((wasHeldUp) => order.push(`step ${wasHeldUp}`));
    bad.reject(new Error('broken'));
    await second;
    for (let turn = 0; turn < 3; turn++) await breathe();
    order.push('later');
    good.resolve(7);
    await Promise.all([first, step]);
    expect(order).toEqual(['broken', 'later', 'answer 7', 'step true']);
    expect(await precedence.pause()).toBe(false);
  });

  it('is held up no longer than allowed, once for each piece of work', async () => {
    const precedence = new Precedence(5);
    const endless = opened<void>();
    const asked = precedence.first(() => endless.promise);
    expect(await precedence.pause()).toBe(true);
    expect(await precedence.pause()).toBe(false);
    endless.resolve();
    await asked;
  });

  it('hears what was asked during the last step', async () => {
    const precedence = new Precedence();
    const short = opened<void>();
    let asked: Promise<void> | undefined;
    setImmediate(() => {
      asked = precedence.first(() => short.promise);
      short.resolve();
    });
    expect(await nextStep({ pause: precedence.pause })).toBe(true);
    await asked;
  });

  it('goes on though more is asked all the time', async () => {
    const precedence = new Precedence(3_600_000); // what ends the wait is not that time
    const [early, late] = [opened<void>(), opened<void>()];
    const asked = [precedence.first(() => early.promise)];
    const step = precedence.pause();
    asked.push(precedence.first(() => late.promise));
    early.resolve();
    expect(await step).toBe(true); // `late` is still under way
    late.resolve();
    await Promise.all(asked);
  });

  it('ends a function that was aborted while it was held up', async () => {
    const precedence = new Precedence();
    const short = opened<void>();
    const asked = precedence.first(() => short.promise);
    const stop = new AbortController();
    const step = nextStep({ pause: precedence.pause, signal: stop.signal });
    stop.abort(new Error('canceled'));
    short.resolve();
    await asked;
    await expect(step).rejects.toThrow('canceled');
  });
});
