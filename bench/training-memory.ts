import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../src/config.js';
import { maxArch } from '../src/space/arch.js';
import { parseRecipe } from '../src/train/recipe.js';
import { digits, note, row } from './harness.js';
import { mean } from './statistics.js';
import type { Sides } from './training.js';

/** The shipped recipe, whose pool of sessions is watched. */
const RECIPE = join(PACKAGE_ROOT, 'scripts', 'recipes', 'sandwich.json');
const ONE_NET_STEPS = 12;
/** Steps between two readings. */
const STEPS_PER_READING = 4;

export interface MemoryFigures {
  /** One network at the batch, one session of two threads: highest resident bytes. */
  readonly oneNetPeakBytes: number;
  readonly pool: {
    readonly minutes: number;
    readonly steps: number;
    readonly sessionsPerWorker: number;
    readonly peakBytes: number;
    /** Mean resident bytes of the second and of the last third of the time. */
    readonly secondThirdBytes: number | undefined;
    readonly lastThirdBytes: number | undefined;
  };
}

/** A field of /proc/PID/status in bytes; NaN where there is none. */
function statusBytes(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  try {
    const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Number(found ?? Number.NaN) * 1024;
  } catch {
    return Number.NaN; // no Linux
  }
}

async function oneNetPeak(sides: Sides): Promise<number> {
  const child = await sides.startOurs();
  const { batch } = sides.settings;
  const asked = { kind: 'steps', key: 'memory', arch: maxArch(sides.space), batch, threads: 2, count: ONE_NET_STEPS };
  await child.ask(asked);
  const peak = statusBytes(child.pid, 'VmHWM');
  child.stop();
  return peak;
}

async function watchPool(sides: Sides): Promise<MemoryFigures['pool']> {
  const { space, settings } = sides;
  const child = await sides.startOurs();
  const shipped = parseRecipe(readFileSync(RECIPE, 'utf8'), RECIPE, space);
  const recipe = {
    ...shipped,
    phases: shipped.phases.map((phase) => ({ ...phase, images: 1e9, batch: settings.batch })),
  };
  const readings: { readonly ms: number; readonly bytes: number }[] = [];
  const begun = performance.now();
  const end = begun + settings.minutes * 60_000;
  let steps = 0;
  do {
    await child.ask({ kind: 'crew', key: 'memory', recipe, workers: 2, count: STEPS_PER_READING });
    steps += STEPS_PER_READING;
    readings.push({ ms: performance.now(), bytes: statusBytes(child.pid, 'VmRSS') });
  } while (performance.now() < end);
  const peakBytes = statusBytes(child.pid, 'VmHWM');
  child.stop();
  const last = readings.at(-1)?.ms ?? end;
  const third = (which: number): number | undefined => {
    const inside = readings.filter(({ ms }) => Math.min(2, Math.floor((3 * (ms - begun)) / (last - begun))) === which);
    return inside.length === 0 ? undefined : mean(inside.map(({ bytes }) => bytes));
  };
  return {
    minutes: (last - begun) / 60_000,
    steps,
    sessionsPerWorker: recipe.pool.size + 2,
    peakBytes,
    secondThirdBytes: third(1),
    lastThirdBytes: third(2),
  };
}

/** Memory of fresh processes: one network, then the shipped recipe with its pool of sessions. */
export async function measureMemory(sides: Sides): Promise<MemoryFigures> {
  note('memory of one network');
  const oneNetPeakBytes = await oneNetPeak(sides);
  note(`memory of the shipped recipe's pool, ${sides.settings.minutes} minute(s)`);
  return { oneNetPeakBytes, pool: await watchPool(sides) };
}

const gigabytes = (bytes: number): string => `${digits(bytes / 2 ** 30)} GiB`;

export function memoryLines({ oneNetPeakBytes, pool }: MemoryFigures): readonly string[] {
  const { secondThirdBytes, lastThirdBytes } = pool;
  const drift =
    secondThirdBytes === undefined || lastThirdBytes === undefined
      ? 'too few readings to tell'
      : `${gigabytes(secondThirdBytes)} in the second third, ${gigabytes(lastThirdBytes)} in the last`;
  return [
    row('peak RSS, largest network alone', `${gigabytes(oneNetPeakBytes)}; asked: at most 2`),
    row('peak RSS, shipped recipe, 2 workers', `${gigabytes(pool.peakBytes)}; asked: at most 6`),
    row(
      '  over the time',
      `${drift} (${digits(pool.minutes)} min, ${pool.steps} steps, ${pool.sessionsPerWorker} sessions per worker)`,
    ),
  ];
}
