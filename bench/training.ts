/**
 * Speed and memory of training, beside PyTorch where Python has it (Debian's python3-torch): the same networks from the same layers,
 * weights and images, the same batch, threads and update, both processes with the same allocator settings, in turns.
 *
 *   npm run bench:training -- [--minutes N] [--rounds N] [--batch N] [--python PATH] [--models DIR] [--seed N] [--quick] [--json]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { allocatorEnvironment } from '../src/cli/allocator.js';
import { makeRng } from '../src/common/rng.js';
import { PACKAGE_ROOT } from '../src/config.js';
import { maxArch } from '../src/space/arch.js';
import { archCosts } from '../src/space/costs.js';
import { parseSpace } from '../src/space/parse-space.js';
import type { SearchSpace } from '../src/space/types.js';
import {
  type BenchOptions,
  type BenchResult,
  countOption,
  findSpaceFile,
  MODELS_OPTION,
  modelDirsOf,
  note,
  row,
  runBench,
} from './harness.js';
import { type LineProcess, startLineProcess } from './line-process.js';
import { elasticLines, measureElastic } from './training-elastic.js';
import { measureMemory, memoryLines } from './training-memory.js';
import { describeNet, meanArch, writeSetup } from './training-setup.js';
import { measureSteps, stepLines, type TimedNet } from './training-steps.js';
import { measureWorkers, workerLines } from './training-workers.js';

const SETTINGS = {
  full: { batch: 64, rounds: 11, stepsPerTurn: 2, elasticRounds: 6, workerRounds: 7, minutes: 3 },
  quick: { batch: 8, rounds: 2, stepsPerTurn: 1, elasticRounds: 1, workerRounds: 1, minutes: 0.05 },
} as const;

type TrainingSettings = { readonly [K in keyof (typeof SETTINGS)['full']]: number };

/** Both sides and what they are given. */
export interface Sides {
  readonly space: SearchSpace;
  readonly seed: number;
  readonly settings: TrainingSettings;
  readonly threads: readonly number[];
  readonly ours: LineProcess;
  /** Absent without PyTorch. */
  readonly torch: LineProcess | undefined;
  /** Starts another process of ours, already open. */
  startOurs(): Promise<LineProcess>;
}

const CHILD = join(PACKAGE_ROOT, 'bench', 'training-child.ts');
const TORCH_CHILD = join(PACKAGE_ROOT, 'bench', 'training_pytorch.py');
const WITHOUT = 'SKIPPED: no Python with PyTorch (Debian: apt install python3-torch; --python PATH names another)';

/** The first Python that can import torch. */
function findTorch(named: string | undefined): string | undefined {
  const candidates = named === undefined ? ['python3', '/usr/bin/python3'] : [named];
  return candidates.find(
    (python) => spawnSync(python, ['-c', 'import torch, numpy'], { stdio: 'ignore' }).status === 0,
  );
}

/** The same for both: keep freed memory, huge pages, threads that sleep while they wait (ONNX Runtime's after 50 microseconds). */
function childEnvironment(): Readonly<Record<string, string | undefined>> {
  const { BESPOKE_ALLOCATOR: _, ...env } = process.env;
  return { ...allocatorEnvironment(env, process.platform === 'linux' ? 'any' : undefined), OMP_WAIT_POLICY: 'PASSIVE' };
}

async function startOurs(space: SearchSpace, seed: number): Promise<{ process: LineProcess; lowering: unknown }> {
  const command = [process.execPath, '--import', 'tsx', CHILD] as const;
  const started = startLineProcess('our trainer', command, childEnvironment());
  const { lowering } = await started.ask<{ lowering: unknown }>({ kind: 'open', space, seed });
  return { process: started, lowering };
}

function timedNets(space: SearchSpace, seed: number): readonly TimedNet[] {
  const nets = { largest: maxArch(space), 'mean random': meanArch(space, makeRng(seed)) };
  return Object.entries(nets).map(([name, arch]) => ({
    name,
    arch,
    described: describeNet(space, arch),
    macs: archCosts(space, arch).macs,
  }));
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const { isQuick, seed, given } = options;
  const standard = isQuick ? SETTINGS.quick : SETTINGS.full;
  const batch = countOption(options, 'batch', standard.batch);
  const minutes = given.minutes === undefined ? standard.minutes : countOption(options, 'minutes', 1);
  const rounds = countOption(options, 'rounds', standard.rounds);
  const shorter = rounds / standard.rounds;
  const scaled = (count: number): number => Math.max(1, Math.round(count * shorter));
  const settings = {
    ...{ ...standard, batch, minutes, rounds },
    ...{ elasticRounds: scaled(standard.elasticRounds), workerRounds: scaled(standard.workerRounds) },
  };
  const path = findSpaceFile(modelDirsOf(given.models));
  const space = parseSpace(JSON.parse(readFileSync(path, 'utf8')), path);
  const threads = isQuick ? [1] : [...new Set([1, Math.min(2, availableParallelism())])];
  const python = findTorch(given.python);
  const dir = mkdtempSync(join(tmpdir(), 'bespoke-training-'));
  const { process: ours, lowering } = await startOurs(space, seed);
  const torch =
    python === undefined ? undefined : startLineProcess('PyTorch', [python, TORCH_CHILD], childEnvironment());
  try {
    const setup = writeSetup(dir, space, seed, 2 * batch);
    const version = await torch?.ask<{ torch: string; cpuCapability: string }>({ kind: 'open', ...setup });
    if (torch === undefined) note(WITHOUT);
    const sides: Sides = {
      ...{ space, seed, settings, threads, ours, torch },
      startOurs: async () => (await startOurs(space, seed)).process,
    };
    const steps = await measureSteps(sides, timedNets(space, seed));
    const inTime = async <T>(measure: (of: Sides) => Promise<T>): Promise<T | undefined> =>
      options.isOutOfTime() ? undefined : measure(sides);
    const workers = await inTime(measureWorkers);
    const elastic = await inTime(measureElastic);
    torch?.stop();
    await ours.ask({ kind: 'drop' });
    const memory = await inTime(measureMemory);
    const isCut = workers === undefined || elastic === undefined || memory === undefined;
    const pytorch = version === undefined ? WITHOUT : `${version.torch} (${version.cpuCapability}), ${python}`;
    return {
      settings: { ...settings, threads, space: space.id, lowering, pytorch },
      figures: { steps, workers: workers ?? null, elastic: elastic ?? null, memory: memory ?? null },
      lines: [
        row('PyTorch', pytorch),
        ...stepLines(steps, batch),
        ...(workers === undefined ? [] : workerLines(workers)),
        ...(elastic === undefined ? [] : elasticLines(elastic)),
        ...(memory === undefined ? [] : memoryLines(memory)),
        ...(isCut ? ['SKIPPED: the time of a quick run was up before everything was measured'] : []),
      ],
      hasFailed: steps.nets.some(({ isSame }) => !isSame),
    };
  } finally {
    ours.stop();
    torch?.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

await runBench({
  name: 'training',
  options: {
    minutes: `how long memory is watched (${SETTINGS.full.minutes})`,
    rounds: `turns of every contender at a step, other sections in proportion (${SETTINGS.full.rounds}, quick ${SETTINGS.quick.rounds})`,
    batch: `images per step (${SETTINGS.full.batch}, quick ${SETTINGS.quick.batch})`,
    python: 'a Python with PyTorch (default: the first of python3 and /usr/bin/python3 that has it)',
    models: MODELS_OPTION,
  },
  run,
});
