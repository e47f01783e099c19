import { maxArch } from '../src/space/arch.js';
import type { SearchSpace } from '../src/space/types.js';
import { type Phase, parseRecipe, type Recipe } from '../src/train/recipe.js';
import { digits, note, row, spread } from './harness.js';
import { median, type Summary, summarize } from './statistics.js';
import type { Sides } from './training.js';
import { UPDATE } from './training-setup.js';

/** A recipe of one endless phase without augmentation or distillation: what both trainers do is networks and updates. */
export function benchRecipe(
  space: SearchSpace,
  phase: Pick<Phase, 'batch' | 'largestEvery' | 'smallest' | 'subnetsPerStep'>,
  pool: Recipe['pool'],
): Recipe {
  const recipe = {
    name: 'bench',
    optimizer: { kind: 'sgd', momentum: UPDATE.momentum },
    clipNorm: UPDATE.clipNorm,
    pool,
    validateEvery: 1e9,
    phases: [
      {
        ...{ name: 'bench', images: 1e9, ...phase, teacher: 'none', kdRatio: 0, lr: UPDATE.lr, finalLr: UPDATE.lr },
        ...{ warmup: 0, weightDecay: UPDATE.weightDecay, labelSmoothing: 0.05 },
        augment: { flip: false, shift: 0, erase: 0, eraseUntil: 0 },
      },
    ],
  };
  return parseRecipe(JSON.stringify(recipe), 'the benchmark', space);
}

export interface WorkerFigures {
  readonly imagesPerStep: number;
  /** ms of a step of all images. */
  readonly workers: Summary | undefined;
  readonly session: Summary | undefined;
  /** Session's time by workers' time, of each round. */
  readonly ratio: Summary | undefined;
}

/** The largest network: two threads that each train half of the images with sessions of one thread, against one session of two threads. */
export async function measureWorkers({ ours, space, settings }: Sides): Promise<WorkerFigures> {
  note('two workers against one session of two threads');
  const { batch, workerRounds, stepsPerTurn } = settings;
  const recipe = benchRecipe(
    space,
    { batch, largestEvery: 1, smallest: false, subnetsPerStep: 0 },
    { size: 1, replaceEvery: 4 },
  );
  const crew = async (count: number): Promise<number> => {
    const { stepMs } = await ours.ask<{ stepMs: number[] }>({
      kind: 'crew',
      key: 'workers',
      recipe,
      workers: 2,
      count,
    });
    return median(stepMs);
  };
  const asked = { kind: 'steps', key: 'session', arch: maxArch(space), batch: 2 * batch, threads: 2 };
  const session = async (count: number): Promise<number> =>
    median((await ours.ask<{ ms: number[] }>({ ...asked, count })).ms);
  const [workersMs, sessionMs]: [number[], number[]] = [[], []];
  await crew(2);
  await session(2);
  for (let round = 0; round < workerRounds; round++) {
    workersMs.push(await crew(stepsPerTurn));
    sessionMs.push(await session(stepsPerTurn));
  }
  await ours.ask({ kind: 'drop' });
  const ratio = summarize(sessionMs.map((ms, i) => ms / (workersMs[i] ?? Number.NaN)));
  return { imagesPerStep: 2 * batch, workers: summarize(workersMs), session: summarize(sessionMs), ratio };
}

export function workerLines({ imagesPerStep, workers, session, ratio }: WorkerFigures): readonly string[] {
  const speed = (ms: Summary | undefined): string =>
    `${digits((imagesPerStep * 1000) / (ms?.median ?? Number.NaN))} images/s; ${spread(ms, 'ms')}`;
  return [
    `largest network, ${imagesPerStep} images a step, two threads, update included`,
    row('  two workers of one thread', speed(workers)),
    row('  one session of two threads', speed(session)),
    row('  images/s, workers by session', `${spread(ratio, '')}; asked: at least 1.15`),
  ];
}
