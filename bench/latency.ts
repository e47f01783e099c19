/**
 * The latency model of this machine for the first bundle's space: measured from scratch, twice, and held against fresh random networks
 * that are measured before and after that, all in turn, so that what disturbs the machine disturbs all alike.
 *
 *   npm run bench:latency -- [--nets N] [--data-dir DIR] [--models DIR] [--seed N] [--quick] [--json]
 *
 * The data folder's profiles are neither read nor written; its lock keeps servers on the same folder from measuring at the same time.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { kendallTau } from '../src/common/rank-correlation.js';
import { makeRng, type Rng } from '../src/common/rng.js';
import { measureLatencies } from '../src/evaluate/latency.js';
import { calibrateDrift } from '../src/hardware/drift.js';
import { makeLatencyModel } from '../src/hardware/latency-model.js';
import { profileLocalCpu } from '../src/hardware/profile-local.js';
import { randomModel } from '../src/hardware/random-model.js';
import type { MeasuredProfile } from '../src/hardware/types.js';
import { withMeasurementLock } from '../src/runtime/measurement-lock.js';
import { lower } from '../src/space/lower.js';
import { parseSpace } from '../src/space/parse-space.js';
import { sampleArch } from '../src/space/sample.js';
import type { Arch, SearchSpace } from '../src/space/types.js';
import {
  type BenchOptions,
  type BenchResult,
  countOption,
  digits,
  findSpaceFile,
  MODELS_OPTION,
  modelDirsOf,
  note,
  openDataDir,
  row,
  runBench,
  spread,
} from './harness.js';

import { mean, summarize } from './statistics.js';

const SETTINGS = {
  full: { profiles: 2, nets: 40, timing: { minSamples: 300, maxMs: 600 } },
  quick: { profiles: 1, nets: 8, timing: { minSamples: 300, maxMs: 300 } },
} as const;
type Timing = (typeof SETTINGS)[keyof typeof SETTINGS]['timing'];

/** One round over all fresh networks. */
interface Round {
  readonly ms: readonly number[];
  readonly seconds: number;
}

async function measureNets(models: readonly Uint8Array[], timing: Timing, label: string): Promise<Round> {
  const start = performance.now();
  const measured = await measureLatencies(models, { threads: 1, statistic: 'p50', ...timing });
  const seconds = (performance.now() - start) / 1000;
  note(`${models.length} networks measured ${label}: ${seconds.toFixed(1)} s`);
  return { ms: measured.map(({ valueMs }) => valueMs), seconds };
}

interface Profiled {
  readonly profile: MeasuredProfile;
  /** How slow the machine is after the last round, against when the profile was measured. */
  readonly drift: number;
}

async function profileOnce(space: SearchSpace, seed: number): Promise<MeasuredProfile> {
  let told = 0;
  const profile = await profileLocalCpu(space, {
    seed,
    onProgress: ({ done, total }) => {
      if (done < told + total / 4) return;
      told = done;
      note(`profile of seed ${seed}: ${done} of ${total} passes`);
    },
  });
  note(`profile of seed ${seed}: ${profile.seconds.toFixed(1)} s`);
  return profile;
}

/** Predictions against one round: sizes of the errors in percent of the measured time, and the agreement of the order. */
function errorsOf(predicted: readonly number[], { ms }: Round) {
  const errors = predicted.map((value, i) => (100 * (value - (ms[i] ?? Number.NaN))) / (ms[i] ?? Number.NaN));
  const sizes = summarize(errors.map(Math.abs));
  return {
    mapePercent: sizes?.mean ?? Number.NaN,
    p90Percent: sizes?.p90 ?? Number.NaN,
    maxPercent: sizes?.max ?? Number.NaN,
    biasPercent: mean(errors),
    kendallTau: kendallTau(predicted, ms),
  };
}

interface Rounds {
  readonly before: Round;
  readonly after: Round;
}

function profileFigures(space: SearchSpace, nets: readonly Arch[], { profile, drift }: Profiled, rounds: Rounds) {
  const predicted = Array.from(makeLatencyModel(space, profile).predict(nets));
  const drifted = predicted.map((ms) => ms * drift);
  const { seconds, holdout, revision, statistic } = profile;
  return {
    seconds,
    statistic,
    revision,
    holdout,
    drift,
    predicted,
    before: errorsOf(predicted, rounds.before),
    after: errorsOf(predicted, rounds.after),
    afterWithDrift: errorsOf(drifted, rounds.after),
  };
}

/** Differences of two lists in percent of the second. */
function differences(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => (100 * Math.abs(value - (b[i] ?? Number.NaN))) / (b[i] ?? Number.NaN));
}

async function measure(space: SearchSpace, options: BenchOptions) {
  const settings = options.isQuick ? SETTINGS.quick : SETTINGS.full;
  const count = countOption(options, 'nets', settings.nets);
  const rng: Rng = makeRng(options.seed).fork('fresh networks');
  const nets = Array.from({ length: count }, () => sampleArch(space, rng));
  const models = nets.map((net) => randomModel(lower(space, net), rng));
  const before = await measureNets(models, settings.timing, 'before');
  const measured: MeasuredProfile[] = [];
  for (let i = 0; i < settings.profiles; i++) measured.push(await profileOnce(space, options.seed + i));
  const after = await measureNets(models, settings.timing, 'after');
  const profiled: Profiled[] = [];
  for (const profile of measured) profiled.push({ profile, drift: await calibrateDrift(space, profile) });
  const profiles = profiled.map((each) => profileFigures(space, nets, each, { before, after }));
  const [first, second] = profiles;
  return {
    settings: { ...settings, nets: count, space: space.id },
    figures: {
      nets: count,
      before,
      after,
      /** What a measurement itself is worth: the same networks, measured before and after. */
      repeat: { percent: summarize(differences(after.ms, before.ms)), kendallTau: kendallTau(before.ms, after.ms) },
      betweenProfiles:
        first === undefined || second === undefined
          ? null
          : {
              percent: summarize(differences(second.predicted, first.predicted)),
              kendallTau: kendallTau(first.predicted, second.predicted),
            },
      profiles,
    },
  };
}

type Figures = Awaited<ReturnType<typeof measure>>['figures'];

function linesOf({ nets, before, after, repeat, betweenProfiles, profiles }: Figures): string[] {
  const errors = ({ mapePercent, p90Percent, biasPercent, kendallTau: tau }: ReturnType<typeof errorsOf>): string =>
    `mean ${digits(mapePercent)} %, p90 ${digits(p90Percent)} %, bias ${digits(biasPercent)} %, tau ${tau.toFixed(3)}`;
  const profileLines = profiles.flatMap(({ seconds, holdout, drift, ...against }, i) => [
    `profile ${i + 1}`,
    row('  seconds', `${digits(seconds)} s`),
    row(
      '  hold-out error',
      `mean ${digits(holdout.mapePercent)} %, p90 ${digits(holdout.p90Percent)} %, largest ${digits(holdout.maxPercent)} %, tau ${holdout.kendallTau.toFixed(3)} on ${holdout.nets} networks`,
    ),
    row('  fresh networks, measured before', errors(against.before)),
    row('  fresh networks, measured after', errors(against.after)),
    row('  after, times the drift', `${errors(against.afterWithDrift)} (drift ${drift.toFixed(3)})`),
  ]);
  return [
    row(
      'fresh random networks',
      `${nets}, each round interleaved: ${digits(before.seconds)} s and ${digits(after.seconds)} s`,
    ),
    row('  their p50 before', spread(summarize(before.ms), 'ms')),
    row('  their p50 after', spread(summarize(after.ms), 'ms')),
    row('  after against before', `${spread(repeat.percent, '%')}, tau ${repeat.kendallTau.toFixed(3)}`),
    ...profileLines,
    row(
      'profile 2 against profile 1',
      betweenProfiles === null
        ? 'one profile alone with --quick'
        : `${spread(betweenProfiles.percent, '%')}, tau ${betweenProfiles.kendallTau.toFixed(3)}`,
    ),
  ];
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const path = findSpaceFile(modelDirsOf(options.given.models));
  const space = parseSpace(JSON.parse(readFileSync(path, 'utf8')), path);
  const { dir, remove } = openDataDir(options.given['data-dir']);
  try {
    const { settings, figures } = await withMeasurementLock(join(dir, 'hardware'), () => measure(space, options));
    return { settings, figures, lines: linesOf(figures) };
  } finally {
    remove();
  }
}

await runBench({
  name: 'latency',
  options: {
    nets: `fresh random networks (${SETTINGS.full.nets}, quick ${SETTINGS.quick.nets})`,
    'data-dir': 'data folder whose measurement lock is taken (default: a temporary one)',
    models: MODELS_OPTION,
  },
  run,
});
