import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/common/hash.js';
import { CHECKPOINT_FILE, loadCheckpoint } from '../../../src/train/checkpoint.js';
import { PROGRESS_FIGURE_FILE, PROGRESS_RECORD_FILE } from '../../../src/train/progress-files.js';
import type { Recipe } from '../../../src/train/recipe.js';
import { trainSupernet, WEIGHTS_FILE } from '../../../src/train/run.js';
import { LOCK_FILE } from '../../../src/train/run-lock.js';
import { LOG_FILE } from '../../../src/train/run-log.js';
import type { TrainEvent } from '../../../src/train/train-events.js';
import { resilientRecipe } from './resilient-recipe.js';
import { tinyRecipe, tinyRun, tinySpace } from './tiny-run.js';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'bespoke-folder-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
const folder = (name: string): string => join(root, name);
const readJson = (dir: string, name: string): unknown => JSON.parse(readFileSync(join(dir, name), 'utf8'));
const short = tinyRecipe(32);

// Real threads and processes: seconds on an idle machine, minutes on one that is busy with other suites.
describe("a run's folder", { timeout: 180_000 }, () => {
  it('takes one process at a time: the second is refused at once, naming the first', async () => {
    const dir = folder('taken');
    const attempts: Promise<unknown>[] = [];
    const onEvent = ({ kind }: TrainEvent): void => {
      if (kind === 'started')
        attempts.push(trainSupernet(tinyRun(dir, { recipe: short, resume: true })).catch((e) => e));
    };
    await trainSupernet(tinyRun(dir, { recipe: short, onEvent }));
    expect(attempts).toHaveLength(1);
    await expect(attempts[0]).resolves.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(new RegExp(`${dir} is in use: the process ${process.pid} trains there; wait`)),
    });
    expect(readdirSync(dir)).not.toContain(LOCK_FILE);
  });

  it('keeps the latest figures and the curves beside the log', async () => {
    const dir = folder('progress');
    const recipe = tinyRecipe(96);
    await trainSupernet(tinyRun(dir, { recipe }));
    expect(readJson(dir, PROGRESS_RECORD_FILE)).toMatchObject({
      ...{ schema: 1, status: 'finished', recipe: 'tiny', steps: 18, step: 18, checkpointStep: 18, warnings: [] },
      phases: [
        { name: 'sandwich', images: 0 },
        { name: 'students', images: 96 },
      ],
      window: { step: 18, etaMs: 0, roles: { random: { loss: expect.any(Number) } } },
      validation: { step: 18, images: 144, batchStatisticsTop1: { largest: expect.any(Number) } },
    });
    const svg = readFileSync(join(dir, PROGRESS_FIGURE_FILE), 'utf8');
    expect(svg).toContain('finished after 18 steps');
    expect(svg).toContain('>students<');
  });

  it('is refused for another recipe, space or number of workers, saying how they differ', async () => {
    const dir = folder('other');
    await trainSupernet(tinyRun(dir, { recipe: short }));
    const [first, second] = short.phases;
    const recipe: Recipe = { ...short, clipNorm: 2, phases: [first!, { ...second!, lr: 0.5, sortChannels: true }] };
    await expect(trainSupernet(tinyRun(dir, { resume: true, recipe }))).rejects.toThrow(
      /\(the recipe: clipNorm is 4 there, 2 here, phases\[1\]\.lr is 0\.05 there, 0\.5 here, phases\[1\]\.sortChannels is nothing there, true here\); resume/,
    );
    const space = { ...tinySpace, kernelSizes: [3, 5] };
    const narrow = {
      ...short,
      phases: short.phases.map((p) => ({ ...p, elastic: { ...p.elastic, kernelSizes: [5] } })),
    };
    const other = tinyRun(dir, { resume: true, space, recipe: narrow, workers: 2 });
    await expect(trainSupernet(other)).rejects.toThrow(
      /the space: kernelSizes\[2\] is 7 there, nothing here; the recipe: .*; the number of workers: 1 there, 2 here/,
    );
    // Without the copies in the folder there are the hashes.
    rmSync(join(dir, 'recipe.json'));
    await expect(trainSupernet(tinyRun(dir, { resume: true, recipe }))).rejects.toThrow(
      /\(the recipe: sha256 [0-9a-f]{12} there, sha256 [0-9a-f]{12} here\)/,
    );
  });

  it('keeps what was before a divergence, and the log and the record say which phase it was', async () => {
    const dir = folder('diverged');
    const [first, second] = short.phases;
    const wild = { ...short, clipNorm: 1e30, phases: [first!, { ...second!, lr: 1e20, warmup: 0 }] };
    const diverged =
      /diverged at step (\d+) \(phase "students", its step (\d+) of 2\): the loss of the random net \w+ at \d+ pixels is (NaN|Infinity); .*lower lr/;
    const failure = await trainSupernet(tinyRun(dir, { recipe: wild })).catch((error: Error) => error.message);
    expect(failure).toMatch(diverged);
    const step = Number(diverged.exec(String(failure))?.[1]);
    expect(loadCheckpoint(dir)?.checkpoint.step).toBe(step);
    expect(readJson(dir, PROGRESS_RECORD_FILE)).toMatchObject({ status: 'failed', reason: failure, step });
    expect(readFileSync(join(dir, LOG_FILE), 'utf8').trim().split('\n').at(-1)).toContain('"kind":"failed"');
    const before = sha256(readFileSync(join(dir, CHECKPOINT_FILE)));
    await expect(trainSupernet(tinyRun(dir, { recipe: wild, resume: true }))).rejects.toThrow(String(failure));
    expect(sha256(readFileSync(join(dir, CHECKPOINT_FILE)))).toBe(before);
  });

  it('cannot be a file, and says so', async () => {
    mkdirSync(folder('is'));
    writeFileSync(folder('is/a-file'), '');
    await expect(trainSupernet(tinyRun(folder('is/a-file/run')))).rejects.toMatchObject({
      code: 'storage-failed',
      message: expect.stringMatching(/folder .* cannot be written: a part of its path is a file/),
    });
  });
});

/** Whether a file system can be mounted in a namespace of its own, as a user namespace lets anybody on many machines. */
const canMount = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;

describe.skipIf(!canMount)('a full disk (needs unshare -rm and tmpfs)', { timeout: 300_000 }, () => {
  /** A checkpoint of the tiny run has 290 KB, and up to three are there at once. */
  const onSmallDisk = (free: number): Record<string, unknown> => {
    const disk = mkdtempSync(join(root, 'disk-'));
    const script = fileURLToPath(new URL('./full-disk-run.ts', import.meta.url));
    const mount = 'mount -t tmpfs -o size=2m tmpfs "$1" && exec "$2" --import tsx "$3" "$1" "$4"';
    const args = ['-rm', 'sh', '-c', mount, 'sh', disk, process.execPath, script, String(free)];
    const { stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8' });
    expect(stdout, stderr).not.toBe('');
    return JSON.parse(stdout) as Record<string, unknown>;
  };

  it.each([
    ['in the middle of a checkpoint', 150_000],
    ['at once', 0],
  ])('%s stops a run with its last checkpoint whole, and it goes on when there is space', async (_, free) => {
    const whole = folder(`whole-${free}`);
    await trainSupernet(tinyRun(whole, { recipe: resilientRecipe('muon'), saveEveryMs: 1e9 }));
    expect(onSmallDisk(free)).toEqual({
      failure: expect.stringMatching(/could not be written: its disk is full \(ENOSPC\); free space/),
      step: 2,
      left: [],
      again: expect.stringMatching(/its disk is full \(ENOSPC\); free space/),
      end: 'finished',
      sha: sha256(readFileSync(join(whole, WEIGHTS_FILE))),
      readOnly: expect.stringMatching(/cannot be written: its file system is read-only \(EROFS\)/),
    });
  });
});
