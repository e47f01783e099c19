import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { BespokeError } from '../../src/common/errors.js';
import { sha256 } from '../../src/common/hash.js';
import { measureLatencies } from '../../src/evaluate/latency.js';
import { measureTop1 } from '../../src/evaluate/top1.js';
import { loadPredictor } from '../../src/predictors/predictor.js';
import { machineLockDir, withMeasurementLock } from '../../src/runtime/measurement-lock.js';
import { runtimeVersion } from '../../src/runtime/session.js';
import { search } from '../../src/search/search.js';
import { canonicalArch } from '../../src/space/arch.js';
import { makeCostTable } from '../../src/space/cost-table.js';
import { deliver } from '../../src/specialize/deliver.js';
import { describeArchs } from '../../src/specialize/describe.js';
import type { Bundle } from '../../src/supernet/types.js';
import type { ImageSet } from '../../src/tensor/image-set.js';
import { VERSION } from '../../src/version.js';
import { deliverUntrained } from './alone.js';
import { netOf, type Plan, type PlanNet } from './plan.js';
import { findRecorded, type Recorded, type RecordedMeans, type RecordedTraining } from './recorded.js';
import { type PartResult, readResults } from './results.js';

/** A trained model of a part, scored on the test images. */
export interface MeasuredPart {
  readonly seed: number;
  readonly testTop1: number;
  readonly cpuSeconds: number;
  readonly epochs: number;
  /** How far held-out top-1 rose over the last tenth of training; undefined where it was not looked at often enough. */
  readonly lastTenth?: number;
}

/** A training alone: of the run folder, or a recorded one, of which less may be known. */
export interface MeasuredAlone
  extends Pick<MeasuredPart, 'seed' | 'testTop1' | 'lastTenth'>,
    Partial<Pick<MeasuredPart, 'cpuSeconds' | 'epochs'>> {
  /** When and where; absent: it is of the run folder. */
  readonly recorded?: Pick<RecordedTraining, 'measuredAt' | 'device'>;
}

/** One network with everything that was measured of it; test top-1 in 0..1. */
export interface MeasuredNet {
  readonly id: string;
  readonly role: PlanNet['role'];
  readonly name: string;
  readonly macs: number;
  /** p50 on this machine, one thread, batch 1; absent: no model of it yet. */
  readonly latencyMs?: number;
  /** Cut from the supernet. */
  readonly supernetTop1?: number;
  /** Cut from the supernet that was trained without shrinking or distillation. */
  readonly naiveTop1?: number;
  readonly alone: readonly MeasuredAlone[];
  readonly finetuned?: MeasuredPart;
}

/** What one more device costs, and what the supernet cost; processor time of all threads, s. */
export interface MeasuredCost {
  /** Search, extraction, calibration and measured top-1 of one specialization. */
  readonly specializationSeconds: number;
  readonly evaluations: number;
  /** Time on the clock times workers: an upper bound. */
  readonly supernetSeconds?: number;
}

/** What the table and the figures are drawn from. */
export interface Measured {
  readonly schema: 1;
  readonly supernet: Plan['supernet'];
  readonly testImages: number;
  readonly nets: readonly MeasuredNet[];
  /** Of the recorded trainings without processor time. */
  readonly recordedMeans?: RecordedMeans;
  readonly cost?: MeasuredCost;
  readonly device: string;
  readonly versions: Readonly<Record<'bespoke' | 'onnxruntime' | 'node', string>>;
  readonly measuredAt: string;
}

export interface MeasureOptions {
  readonly dir: string;
  readonly plan: Plan;
  readonly bundle: Bundle;
  readonly naive: Bundle | undefined;
  /** Trainings alone that stand in for those the folder has no result of; on the plan's images, by its recipe. */
  readonly recorded?: Recorded | undefined;
  /** Folder of the supernet's training run. */
  readonly trainingDir: string | undefined;
  readonly test: ImageSet;
  readonly evaluations: number;
  readonly onNet: (net: MeasuredNet) => void;
}

/** Threads of accuracy measurements, which are not timed. */
const THREADS = 2;

/** A part's model, as it was when the part was finished. */
function modelOf(dir: string, { part, model, modelSha256 }: PartResult): Uint8Array {
  const bytes = readFileSync(join(dir, model));
  if (sha256(bytes) === modelSha256) return bytes;
  throw new BespokeError('conflict', `${join(dir, model)} is not the model that part ${part} ended with`);
}

/** Rise of the held-out curve from nine tenths of the images to the end. */
function riseOfLastTenth({ curve, images }: PartResult): number | undefined {
  const last = curve.at(-1);
  const earlier = curve.findLast(([seen]) => seen <= 0.9 * images);
  return last === undefined || earlier === undefined ? undefined : last[1] - earlier[1];
}

async function measuredPart(options: MeasureOptions, result: PartResult): Promise<MeasuredPart> {
  const { top1 } = await measureTop1(modelOf(options.dir, result), options.test, { threads: THREADS });
  const { seed, cpuSeconds, epochs } = result;
  const lastTenth = riseOfLastTenth(result);
  return { seed, testTop1: top1, cpuSeconds, epochs, ...(lastTenth === undefined ? {} : { lastTenth }) };
}

function ofRecord({ seed, testTop1, cpuSeconds, lastTenth, measuredAt, device }: RecordedTraining): MeasuredAlone {
  return {
    ...{ seed, testTop1, recorded: { measuredAt, device } },
    ...(cpuSeconds === undefined ? {} : { cpuSeconds }),
    ...(lastTenth === undefined ? {} : { lastTenth }),
  };
}

/** A network's trainings alone in the plan's order: each from the folder, or else as it is recorded. */
async function trainingsAlone(options: MeasureOptions, net: PlanNet): Promise<readonly MeasuredAlone[]> {
  const { dir, plan, recorded } = options;
  const results = readResults(dir);
  const trainings: MeasuredAlone[] = [];
  for (const { id, seed } of plan.parts.filter((part) => part.kind === 'alone' && part.net === net.id)) {
    const result = results.find(({ part }) => part === id);
    const kept = recorded === undefined ? undefined : findRecorded(recorded, net, seed);
    if (result !== undefined) trainings.push(await measuredPart(options, result));
    else if (kept !== undefined) trainings.push(ofRecord(kept));
  }
  return trainings;
}

async function extractedTop1(bundle: Bundle, { arch }: PlanNet, test: ImageSet): Promise<number> {
  const { extracted } = await deliver(bundle, arch);
  return (await measureTop1(extracted.model, test, { threads: THREADS })).top1;
}

async function measureNet(options: MeasureOptions, net: PlanNet, latencyMs: number | undefined): Promise<MeasuredNet> {
  const { bundle, naive, test, dir } = options;
  const alone = await trainingsAlone(options, net);
  const tuned = readResults(dir).find((result) => result.net === net.id && result.kind === 'finetune');
  const { id, role, name, macs } = net;
  const measured: MeasuredNet = {
    ...{ id, role, name, macs, alone },
    ...(latencyMs === undefined ? {} : { latencyMs }),
    ...(role === 'hand' ? {} : { supernetTop1: await extractedTop1(bundle, net, test) }),
    ...(role === 'hand' || naive === undefined ? {} : { naiveTop1: await extractedTop1(naive, net, test) }),
    ...(tuned === undefined ? {} : { finetuned: await measuredPart(options, tuned) }),
  };
  options.onNet(measured);
  return measured;
}

/**
 * A model to time for each network that has one: that of the supernet, as training does not change how long a graph runs; of a hand-designed network
 * whose trainings are recorded, one with the weights that training begins with.
 */
async function timedModels({ dir, plan, bundle, recorded }: MeasureOptions): Promise<ReadonlyMap<string, Uint8Array>> {
  const results = readResults(dir);
  const models = new Map<string, Uint8Array>();
  for (const net of plan.nets) {
    const trained = results.find((result) => result.net === net.id);
    const seeds = plan.parts.filter((part) => part.net === net.id).map(({ seed }) => seed);
    if (net.role !== 'hand') models.set(net.id, (await deliver(bundle, net.arch)).extracted.model);
    else if (trained !== undefined) models.set(net.id, modelOf(dir, trained));
    else if (recorded !== undefined && seeds.some((seed) => findRecorded(recorded, net, seed) !== undefined)) {
      models.set(net.id, (await deliverUntrained(bundle, net)).extracted.model);
    }
  }
  return models;
}

async function latenciesOf(options: MeasureOptions): Promise<ReadonlyMap<string, number>> {
  const models = await timedModels(options);
  const measured = await withMeasurementLock(machineLockDir(), () => measureLatencies([...models.values()]));
  return new Map([...models.keys()].map((id, i) => [id, measured[i]!.valueMs]));
}

/** Processor time of one specialization under a limit in the middle of the networks' MACs. */
async function specializationCost(options: MeasureOptions): Promise<MeasuredCost | undefined> {
  const { bundle, plan, evaluations, trainingDir } = options;
  const { space, sha256: weightsSha256 } = bundle.supernet;
  if (bundle.figures.predictor === undefined) return undefined;
  const start = process.cpuUsage();
  const predictor = await loadPredictor(bundle.dir, { space, weightsSha256 });
  const costs = makeCostTable(space);
  const macs = plan.nets.map((net) => net.macs).sort((a, b) => a - b);
  const found = await search({
    ...{
      space,
      objective: predictor.asObjective(),
      frontAxis: 'macs',
      evaluations,
      resolutions: predictor.resolutions,
    },
    constraints: [{ id: 'maxMacs', max: macs[macs.length >> 1]!, cost: (archs) => costs.macs(archs) }],
    describe: (archs) => describeArchs({ costs, latency: undefined }, archs),
    seed: 1,
  });
  const { extracted } = await deliver(bundle, found.best.arch);
  await measureTop1(extracted.model, bundle.verification, { threads: 1 });
  await predictor.release();
  const { user, system } = process.cpuUsage(start); // µs
  const supernetSeconds = trainingDir === undefined ? undefined : trainingSeconds(trainingDir);
  const specializationSeconds = (user + system) / 1e6;
  return { specializationSeconds, evaluations, ...(supernetSeconds === undefined ? {} : { supernetSeconds }) };
}

/** Time on the clock of a finished supernet run, times its workers. */
function trainingSeconds(dir: string): number {
  const path = join(dir, 'log.jsonl');
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  const event = JSON.parse(lines.at(-1) ?? '{}') as { kind?: string; elapsedMs?: number }; // the trainer's own log
  if (event.kind !== 'finished' || event.elapsedMs === undefined) {
    throw new BespokeError('invalid-request', `${path} is not of a finished training`);
  }
  const header = readFileSync(join(dir, 'supernet.safetensors')).toString('latin1', 8, 100_000);
  const workers = Number(/"workers":"(\d+)"/.exec(header)?.[1] ?? 1);
  return (event.elapsedMs / 1000) * workers;
}

const MEASURED_FILE = 'measured.json';

/** Scores everything that a plan has come to on the test images, once, and times it; nothing is chosen by what comes out. */
export async function measureAll(options: MeasureOptions): Promise<Measured> {
  const latencies = await latenciesOf(options);
  const nets: MeasuredNet[] = [];
  for (const net of options.plan.nets) {
    nets.push(await measureNet(options, net, latencies.get(net.id)));
  }
  const cost = await specializationCost(options);
  const means = options.recorded?.means;
  const needsMeans = nets.some(({ alone }) => alone.some(({ cpuSeconds }) => cpuSeconds === undefined));
  const measured: Measured = {
    schema: 1,
    supernet: options.plan.supernet,
    testImages: options.test.count,
    nets,
    ...(means === undefined || !needsMeans ? {} : { recordedMeans: means }),
    ...(cost === undefined ? {} : { cost }),
    device: `${cpus()[0]?.model.trim()}, ${cpus().length} cores`,
    versions: { bespoke: VERSION, onnxruntime: runtimeVersion(), node: process.versions.node },
    measuredAt: new Date().toISOString(),
  };
  writeFileSync(join(options.dir, MEASURED_FILE), `${JSON.stringify(measured, undefined, 2)}\n`);
  return measured;
}

/** What the run folder's trainings alone came to, as it is kept. */
export function trainingsToRecord(dir: string, plan: Plan, measured: Measured): RecordedTraining[] {
  const { nets, measuredAt } = measured;
  const results = readResults(dir).filter(({ kind }) => kind === 'alone');
  return nets.flatMap(({ id, name, macs, latencyMs, alone }) => {
    const { space, arch } = netOf(plan, id);
    return alone.flatMap(({ seed, testTop1, lastTenth, recorded }): RecordedTraining[] => {
      const result = results.find((one) => one.net === id && one.seed === seed);
      if (result === undefined || recorded !== undefined) return [];
      const { images, recipe, cpuSeconds, device, versions } = result;
      return [
        {
          ...{ name, arch: canonicalArch(space, arch), macs, seed, images, recipe, testTop1, cpuSeconds },
          ...(lastTenth === undefined ? {} : { lastTenth }),
          ...(latencyMs === undefined || device !== measured.device ? {} : { latencyMs }), // else it is another machine's
          ...{ measuredAt, device, versions },
        },
      ];
    });
  });
}
