import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { makeRng } from '../../src/common/rng.js';
import { sampleArch } from '../../src/space/sample.js';
import { deliver } from '../../src/specialize/deliver.js';
import { verify } from '../../src/specialize/verify.js';
import { loadBundle } from '../../src/supernet/bundle.js';
import type { Bundle } from '../../src/supernet/types.js';
import { TINY_SPACE, UNMEASURED, writeTinyBundle } from '../helpers/tiny-bundle.js';

// Real processes: on a busy machine the start of each can take many seconds.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const EXTRACTIONS = 100;
/** First ones, which fill caches and arenas that stay: from about the 200th on nothing is added any more. */
const WARM_UP = 150;
/** Most that the process may grow by, bytes; one session kept per extraction makes it grow by 50 MiB. */
const MOST_GROWTH = 24 * 2 ** 20;

let scratch: string;
let bundle: Bundle;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-e2e-'));
  bundle = await loadBundle(await writeTinyBundle(scratch));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** This process's memory once everything unreachable is gone. */
function settledRss(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void; // the flag puts it there
  for (let times = 0; times < 3; times++) collect();
  return process.memoryUsage.rss();
}

const request = {
  supernetId: 'tiny',
  hardwareId: 'local-cpu',
  ...UNMEASURED,
} as const;

it(`memory stays flat over ${EXTRACTIONS} extractions with their verification`, async () => {
  const rng = makeRng(1);
  const { signal } = new AbortController();
  const extract = async (): Promise<void> => {
    const delivery = await deliver(bundle, sampleArch(TINY_SPACE, rng));
    await verify(
      { bundle, measuring: { latency: undefined, drift: undefined } },
      { request, delivery, steps: { signal } },
    );
  };
  for (let count = 0; count < WARM_UP; count++) await extract();
  const before = settledRss();
  for (let count = 0; count < EXTRACTIONS; count++) await extract();
  const growth = settledRss() - before;
  expect(growth, `${(growth / 2 ** 20).toFixed(1)} MiB`).toBeLessThan(MOST_GROWTH);
});
