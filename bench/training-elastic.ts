import { maxArch, minArch } from '../src/space/arch.js';
import { positionOf } from '../src/train/phases.js';
import type { Recipe } from '../src/train/recipe.js';
import { subnetsOfStep } from '../src/train/subnet-schedule.js';
import { digits, note, row, spread } from './harness.js';
import { median, type Summary, summarize } from './statistics.js';
import type { Sides } from './training.js';
import { describeNet } from './training-setup.js';
import { benchRecipe } from './training-workers.js';

/** Workers of our side, and threads of the other. */
const WORKERS = 2;
/** Steps that a random sub-network lives, and steps of a turn: in every turn each worker gets one new network. */
const LIFETIME = 4;

interface Turn {
  readonly ms: number;
  readonly cpuMs: number;
}

export interface ElasticFigures {
  readonly schedules: readonly {
    readonly name: string;
    readonly imagesPerStep: number;
    /** ms of a step, sessions made in it. */
    readonly ours: Summary | undefined;
    readonly torch: Readonly<Record<string, Summary | undefined>>;
    readonly ratio: Summary | undefined;
    readonly cpuRatio: Summary | undefined;
  }[];
}

/** The networks of a step as the other trainer takes them: the fixed ones on all images, each worker's random one on its own part. */
function netsOfStep({ space, seed, settings }: Sides, recipe: Recipe, step: number) {
  const { batch } = settings;
  const position = positionOf(recipe, WORKERS, step);
  const { largestEvery, smallest } = position.phase;
  const all = { from: 0, to: WORKERS * batch };
  const random = Array.from({ length: WORKERS }, (_, worker) =>
    subnetsOfStep({ space, seed, worker, pool: recipe.pool }, position).map(({ arch }) => ({
      net: describeNet(space, arch),
      from: worker * batch,
      to: (worker + 1) * batch,
    })),
  );
  return [
    ...(largestEvery > 0 ? [{ net: describeNet(space, maxArch(space)), ...all }] : []),
    ...(smallest ? [{ net: describeNet(space, minArch(space)), ...all }] : []),
    ...random.flat(),
  ];
}

async function measureSchedule(
  sides: Sides,
  name: string,
  recipe: Recipe,
): Promise<ElasticFigures['schedules'][number]> {
  note(`${name}: a new random sub-network every ${LIFETIME} steps`);
  const { ours, torch, settings } = sides;
  const layouts = torch === undefined ? [] : ['nchw', 'nhwc'];
  const own: Turn[] = [];
  const others = new Map<string, Turn[]>(layouts.map((layout) => [layout, []]));
  for (let turn = -1; turn < settings.elasticRounds; turn++) {
    const asked = { kind: 'crew', key: name, recipe, workers: WORKERS, count: LIFETIME };
    const mine = await ours.ask<Turn>(asked);
    if (turn >= 0) own.push(mine); // the first turn warms up
    const steps = Array.from({ length: LIFETIME }, (_, i) => netsOfStep(sides, recipe, (turn + 1) * LIFETIME + i));
    for (const layout of layouts) {
      const theirs = await torch?.ask<Turn>({ kind: 'elastic', steps, threads: WORKERS, layout });
      if (turn >= 0 && theirs !== undefined) others.get(layout)?.push(theirs);
    }
  }
  await ours.ask({ kind: 'drop' });
  const perStep = (turns: readonly Turn[] = []) => summarize(turns.map(({ ms }) => ms / LIFETIME));
  const ratios = (of: keyof Turn): Summary | undefined => {
    const values = (layout: string) => (others.get(layout) ?? []).map((turn) => turn[of]);
    const best = layouts.toSorted((a, b) => median(values(a)) - median(values(b)))[0];
    return best === undefined
      ? undefined
      : summarize(values(best).map((value, i) => value / (own[i]?.[of] ?? Number.NaN)));
  };
  return {
    ...{ name, imagesPerStep: WORKERS * settings.batch, ours: perStep(own) },
    torch: Object.fromEntries(layouts.map((layout) => [layout, perStep(others.get(layout))])),
    ...{ ratio: ratios('ms'), cpuRatio: ratios('cpuMs') },
  };
}

/** Whole elastic schedules on both sides: our workers make sessions for new networks, the other trainer needs none. */
export async function measureElastic(sides: Sides): Promise<ElasticFigures> {
  const { space, settings } = sides;
  const pool = { size: 1, replaceEvery: LIFETIME };
  const phase = { batch: settings.batch, subnetsPerStep: 1 };
  const sandwich = benchRecipe(space, { ...phase, largestEvery: 1, smallest: true }, pool);
  const randomOnly = benchRecipe(space, { ...phase, largestEvery: 0, smallest: false }, pool);
  return {
    schedules: [
      await measureSchedule(sides, 'largest, smallest and random', sandwich),
      await measureSchedule(sides, 'random alone', randomOnly),
    ],
  };
}

export function elasticLines({ schedules }: ElasticFigures): readonly string[] {
  return schedules.flatMap(({ name, imagesPerStep, ours, torch, ratio, cpuRatio }) => {
    const line = (who: string, ms: Summary | undefined): string => {
      const speed = digits((imagesPerStep * 1000) / (ms?.median ?? Number.NaN));
      return row(`  ${who}`, `${speed} images/s; a step ${spread(ms, 'ms')}`);
    };
    const compared = [
      row('  images/s, ours by the faster layout', `${spread(ratio, '')}; asked: at least 1.0, aim 1.2`),
      row('  the same by CPU time', spread(cpuRatio, '')),
    ];
    return [
      `elastic schedule (${name}), ${imagesPerStep} images a step, two threads, each worker a new network every ${LIFETIME} steps, sessions made included`,
      line('ours', ours),
      ...Object.entries(torch).map(([layout, ms]) => line(`PyTorch ${layout.toUpperCase()}`, ms)),
      ...(ratio === undefined ? [] : compared),
    ];
  });
}
