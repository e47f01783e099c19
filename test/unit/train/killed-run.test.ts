import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/common/hash.js';
import { makeRng } from '../../../src/common/rng.js';
import { trainSupernet, WEIGHTS_FILE } from '../../../src/train/run.js';
import { resilientRecipe } from './resilient-recipe.js';
import { tinyRun } from './tiny-run.js';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'bespoke-killed-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
const weightsOf = (dir: string): string => sha256(readFileSync(join(dir, WEIGHTS_FILE)));

interface Kill {
  readonly moment: 'step' | 'write' | 'rename' | 'checkpoint';
  /** The N-th such moment of the process. */
  readonly count: number;
}

/** Runs in a process of its own until it is killed. Returns the signal it died of. */
function runKilled(dir: string, kind: string, workers: number, kill: Kill): Promise<NodeJS.Signals | null> {
  const script = fileURLToPath(new URL('./killed-run.ts', import.meta.url));
  const args = ['--import', 'tsx', script, dir, kind, String(workers), kill.moment, String(kill.count)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  return new Promise((resolve) => child.on('exit', (_, signal) => resolve(signal)));
}

/** Five kills at moments drawn by a seed, two of them inside the writing of a checkpoint. */
function killsOf(seed: number): readonly Kill[] {
  const rng = makeRng(seed);
  return [
    { moment: 'step', count: 2 + rng.int(3) },
    { moment: 'write', count: 1 + rng.int(2) },
    { moment: 'checkpoint', count: 1 + rng.int(2) },
    { moment: 'rename', count: 1 + rng.int(2) },
    { moment: 'step', count: 1 + rng.int(3) },
  ];
}

// Real processes: seconds each on an idle machine, many more on one that is busy with other suites.
describe('a run that is killed five times', { timeout: 900_000 }, () => {
  it.each([
    ['sgd', 1],
    ['adamw', 1],
    ['muon', 1],
    ['muon', 2],
  ])('ends with the weights of an uninterrupted one: %s, %d worker(s)', async (kind, workers) => {
    const options = { recipe: resilientRecipe(kind), workers };
    const whole = join(root, `whole-${kind}-${workers}`);
    await trainSupernet(tinyRun(whole, { ...options, saveEveryMs: 1e9 }));
    const dir = join(root, `killed-${kind}-${workers}`);
    for (const kill of killsOf(workers)) expect(await runKilled(dir, kind, workers, kill)).toBe('SIGKILL');
    expect((await trainSupernet(tinyRun(dir, { ...options, resume: true }))).end).toBe('finished');
    expect(weightsOf(dir)).toBe(weightsOf(whole));
  });
});
