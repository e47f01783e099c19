import type { Arch } from '../src/space/types.js';
import { digits, note, row, spread } from './harness.js';
import { median, type Summary, summarize } from './statistics.js';
import type { Sides } from './training.js';
import type { describeNet } from './training-setup.js';

/** A network that is timed by itself. */
export interface TimedNet {
  readonly name: string;
  readonly arch: Arch;
  readonly described: ReturnType<typeof describeNet>;
  readonly macs: number;
}

interface Steps {
  readonly ms: readonly number[];
  readonly cpuMs: readonly number[];
  readonly loss: number;
}

/** One trainer's steps of one network. */
interface Timing {
  readonly ms: Summary | undefined;
  readonly cpuMs: Summary | undefined;
  readonly imagesPerSecond: number;
}

interface NetFigures {
  readonly name: string;
  readonly macs: number;
  readonly threads: number;
  readonly ours: Timing;
  /** PyTorch by memory layout. */
  readonly torch: Readonly<Record<string, Timing>>;
  /** Ours by the faster layout's, of each round. */
  readonly ratio: Summary | undefined;
  readonly cpuRatio: Summary | undefined;
  /** Multiply-adds per second, a step counted as three forward passes; and their share of the matrix product's. */
  readonly macsPerSecond: number;
  readonly shareOfRate: number;
  /** The first losses of both agree, so that they are the same network; true without PyTorch. */
  readonly isSame: boolean;
}

export interface StepFigures {
  readonly nets: readonly NetFigures[];
  /** Multiply-adds per second of a large matrix product, by threads. */
  readonly rate: Readonly<Record<number, number>>;
}

const LAYOUTS = ['nchw', 'nhwc'] as const;
/** Largest relative difference of two first losses in float32. */
const LOSS_TOLERANCE = 1e-4;
/** Steps before the first timed one: memory is touched for the first time. */
const WARM_UP = 2;

type Ask = (count: number) => Promise<Steps>;

/** Rounds of turns, each contender some steps in a row; the figure of a round is its median step. */
async function inTurns(contenders: ReadonlyMap<string, Ask>, { rounds, stepsPerTurn }: Sides['settings']) {
  const ms = new Map<string, number[]>([...contenders.keys()].map((name) => [name, []]));
  const cpuMs = new Map<string, number[]>([...contenders.keys()].map((name) => [name, []]));
  const losses = new Map<string, number>();
  for (const [name, ask] of contenders) losses.set(name, (await ask(WARM_UP)).loss);
  for (let round = 0; round < rounds; round++) {
    for (const [name, ask] of contenders) {
      const steps = await ask(stepsPerTurn);
      ms.get(name)?.push(median(steps.ms));
      cpuMs.get(name)?.push(median(steps.cpuMs));
    }
  }
  return { ms, cpuMs, losses };
}

async function measureNet(sides: Sides, net: TimedNet, threads: number, rate: number): Promise<NetFigures> {
  const { ours, torch, settings } = sides;
  const { batch } = settings;
  const key = `${net.name} ${threads}`;
  const contenders = new Map<string, Ask>([
    ['ours', (count) => ours.ask({ kind: 'steps', key, arch: net.arch, batch, threads, count })],
  ]);
  if (torch !== undefined) {
    for (const layout of LAYOUTS) {
      const asked = { kind: 'steps', key: `${key} ${layout}`, net: net.described, batch, threads, layout };
      contenders.set(layout, (count) => torch.ask({ ...asked, count }));
    }
  }
  const { ms, cpuMs, losses } = await inTurns(contenders, settings);
  const timing = (name: string): Timing => {
    const wall = ms.get(name) ?? [];
    return {
      ms: summarize(wall),
      cpuMs: summarize(cpuMs.get(name) ?? []),
      imagesPerSecond: (batch * 1000) / median(wall),
    };
  };
  const layouts = [...contenders.keys()].filter((name) => name !== 'ours');
  const ratios = (of: ReadonlyMap<string, readonly number[]>): Summary | undefined => {
    const best = layouts.toSorted((a, b) => median(of.get(a) ?? []) - median(of.get(b) ?? []))[0];
    const own = of.get('ours') ?? [];
    return best === undefined
      ? undefined
      : summarize((of.get(best) ?? []).map((value, i) => value / (own[i] ?? Number.NaN)));
  };
  const loss = losses.get('ours') ?? Number.NaN;
  const macsPerSecond = (3 * net.macs * batch * 1000) / median(ms.get('ours') ?? []);
  await ours.ask({ kind: 'drop' });
  await torch?.ask({ kind: 'drop' });
  return {
    ...{ name: net.name, macs: net.macs, threads, ours: timing('ours') },
    torch: Object.fromEntries(layouts.map((name) => [name, timing(name)])),
    ...{ ratio: ratios(ms), cpuRatio: ratios(cpuMs), macsPerSecond, shareOfRate: macsPerSecond / rate },
    isSame: layouts.every(
      (name) => Math.abs((losses.get(name) ?? Number.NaN) - loss) <= LOSS_TOLERANCE * Math.abs(loss),
    ),
  };
}

/** Steps of single networks on both sides, and the rate of the machine. */
export async function measureSteps(sides: Sides, nets: readonly TimedNet[]): Promise<StepFigures> {
  const rate: Record<number, number> = {};
  const figures: NetFigures[] = [];
  for (const threads of sides.threads) {
    const { macsPerSecond } = await sides.ours.ask<{ macsPerSecond: number[] }>({ kind: 'rate', threads });
    rate[threads] = Math.max(...macsPerSecond); // a ceiling: what else runs only takes from it
    for (const net of nets) {
      note(`steps of the ${net.name} network, ${threads} thread(s)`);
      figures.push(await measureNet(sides, net, threads, rate[threads]));
    }
  }
  return { nets: figures, rate };
}

function timingLine(name: string, { ms, cpuMs, imagesPerSecond }: Timing): string {
  const cpu = cpuMs === undefined ? '' : `, CPU median ${digits(cpuMs.median)} ms`;
  return row(`  ${name}`, `${digits(imagesPerSecond)} images/s; ${spread(ms, 'ms')}${cpu}`);
}

export function stepLines({ nets, rate }: StepFigures, batch: number): readonly string[] {
  const giga = (value: number): string => `${digits(value / 1e9)} G multiply-adds/s`;
  return [
    ...Object.entries(rate).map(([threads, value]) => row(`matrix product, ${threads} thread(s)`, giga(value))),
    ...nets.flatMap((net) => {
      const { ratio, cpuRatio } = net;
      const target = net.name === 'largest' ? 1.3 : 1.2;
      const compared =
        ratio === undefined
          ? []
          : [
              row('  images/s, ours by the faster layout', `${spread(ratio, '')}; asked: at least ${target}`),
              row('  the same by CPU time', spread(cpuRatio, '')),
              row('  first losses of both', net.isSame ? 'the same' : 'DIFFERENT: not the same network'),
            ];
      return [
        `step of the ${net.name} network, ${digits(net.macs / 1e6)} M multiply-adds, batch ${batch}, ${net.threads} thread(s)`,
        timingLine('ours', net.ours),
        ...Object.entries(net.torch).map(([name, timing]) => timingLine(`PyTorch ${name.toUpperCase()}`, timing)),
        ...compared,
        row('  ours', `${giga(net.macsPerSecond)}, ${(100 * net.shareOfRate).toFixed(1)} % of the matrix product's`),
      ];
    }),
  ];
}
