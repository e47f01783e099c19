import type { EstimateRequest, EstimateResult, HardwareInfo, LatencyModelInfo, SupernetInfo } from './api/ports.js';
import { BespokeError, toProblem } from './common/errors.js';
import type { Progress } from './common/work.js';
import type { RefusedBundle } from './engine-client.js';
import { measureLatency } from './evaluate/latency.js';
import { calibrateDrift } from './hardware/drift.js';
import { makeLatencyModel } from './hardware/latency-model.js';
import { canMeasureHere, LOCAL_CPU_ID } from './hardware/local-cpu.js';
import { loadProfile, profilesDir, saveProfile } from './hardware/profile-file.js';
import { profileLocalCpu } from './hardware/profile-local.js';
import type { LatencyModel, LatencyProfile } from './hardware/types.js';
import { loadPredictor } from './predictors/predictor.js';
import { machineLockDir, withMeasurementLock } from './runtime/measurement-lock.js';
import { runtimeVersion } from './runtime/session.js';
import { archId, assertArchInSpace, canonicalArch } from './space/arch.js';
import { makeCostTable } from './space/cost-table.js';
import { countSubnets } from './space/count.js';
import type { SearchSpace } from './space/types.js';
import { type Described, describeArchs, withIntervals } from './specialize/describe.js';
import { searchableResolutions } from './specialize/feasible.js';
import type { Workbench } from './specialize/specialize.js';
import { loadBundle } from './supernet/bundle.js';
import { VERSION } from './version.js';

/** Everything the numeric process has in memory: a workbench per bundle, and what is told of them. */
export interface Workbenches {
  readonly byId: ReadonlyMap<string, Workbench>;
  readonly refused: readonly RefusedBundle[];
  readonly catalog: { readonly supernets: readonly SupernetInfo[]; readonly hardware: readonly HardwareInfo[] };
  estimate(request: EstimateRequest): Promise<EstimateResult>;
}

interface WorkbenchOptions {
  readonly dataDir: string;
  readonly onProgress: (progress: Progress) => void;
  /** Told when this machine was measured, which leaves a large heap behind. */
  readonly onProfiled: () => void;
}

/** Runs of one latency measurement, at least: their median's 99 % interval is then about 2 % wide on a quiet machine. */
const LATENCY_SAMPLES = 300;
/** How long runs go on beyond that number, ms: a fast network is measured more often, a slow one not longer than it needs. */
const LATENCY_MAX_MS = 150;

/** Networks that the profile is measured on are drawn from this seed; a profile's revision says what came of it. */
const PROFILE_SEED = 1;

/** The kept profile of this machine for a space, or a new one where there is none or the machine has changed. */
async function localProfile(
  space: SearchSpace,
  { dataDir, onProgress, onProfiled }: WorkbenchOptions,
): Promise<LatencyProfile> {
  const dir = profilesDir(dataDir);
  const kept = await keptProfile(dir, space.id);
  if (kept !== undefined && canMeasureHere(kept.hardware)) return kept;
  const profile = await withMeasurementLock(machineLockDir(), () =>
    profileLocalCpu(space, { seed: PROFILE_SEED, onProgress }),
  );
  await saveProfile(dir, profile);
  onProfiled();
  return profile;
}

/** The profile on disk; a damaged one counts as missing, since it can be measured again. */
async function keptProfile(dir: string, spaceId: string): Promise<LatencyProfile | undefined> {
  try {
    return await loadProfile(dir, LOCAL_CPU_ID, spaceId);
  } catch (error) {
    if (error instanceof BespokeError) return undefined;
    throw error;
  }
}

/** Loads one bundle and everything that predicts it. @throws BespokeError `bundle-invalid` */
export async function openWorkbench(dir: string, options: WorkbenchOptions): Promise<Workbench> {
  const bundle = await loadBundle(dir);
  if (bundle.calibration.count === 0) {
    throw new BespokeError(
      'bundle-invalid',
      `${dir}: the bundle has no calibration images, and nothing can be delivered without`,
    );
  }
  const { space, sha256: weightsSha256 } = bundle.supernet;
  const profile = await localProfile(space, options);
  const predictor = await loadPredictor(dir, { space, weightsSha256 });
  return {
    bundle,
    predictor,
    costs: makeCostTable(space),
    latency: makeLatencyModel(space, profile),
    measuring: measuringOf(space, profile),
    versions: { bespoke: VERSION, onnxruntime: runtimeVersion(), node: process.version },
    now: () => performance.now(),
  };
}

/** Measuring on this machine, one measurement at a time. */
function measuringOf(space: SearchSpace, profile: LatencyProfile): Workbench['measuring'] {
  const options = { threads: 1, statistic: profile.statistic, minSamples: LATENCY_SAMPLES, maxMs: LATENCY_MAX_MS };
  const locked = <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> =>
    withMeasurementLock(machineLockDir(), work, { signal });
  return {
    latency: (model, signal) => locked(signal, () => measureLatency(model, { ...options, signal })),
    drift: (signal) => locked(signal, () => calibrateDrift(space, profile, signal)),
  };
}

/** Loads every bundle; a broken one is refused by name and stops none of the others. */
export async function openWorkbenches(dirs: readonly string[], options: WorkbenchOptions): Promise<Workbenches> {
  const workbenches = new Map<string, Workbench>();
  const refused: RefusedBundle[] = [];
  for (const dir of dirs) {
    try {
      const bench = await openWorkbench(dir, options);
      if (workbenches.has(bench.bundle.id)) {
        await bench.predictor.release();
        throw new BespokeError('bundle-invalid', `${dir}: the id "${bench.bundle.id}" is taken by another bundle`);
      }
      workbenches.set(bench.bundle.id, bench);
    } catch (error) {
      if (!(error instanceof BespokeError)) throw error;
      refused.push({ dir, problem: toProblem(error) });
    }
  }
  const benches = [...workbenches.values()];
  return {
    byId: workbenches,
    refused,
    catalog: { supernets: benches.map(supernetInfo), hardware: hardwareInfos(benches) },
    estimate: (request) => {
      const bench = workbenches.get(request.supernetId);
      if (bench === undefined)
        throw new BespokeError('not-found', `the supernet "${request.supernetId}" is not loaded here`);
      return estimate(bench, request);
    },
  };
}

function supernetInfo({ bundle, predictor, latency }: Workbench): SupernetInfo {
  const { space, sha256 } = bundle.supernet;
  const known = [predictor.resolutions, ...(latency === undefined ? [] : [latency.profile.resolutions])];
  return {
    id: bundle.id,
    title: bundle.title,
    sha256,
    spaceId: space.id,
    space,
    subnetCount: countSubnets(space).toString(),
    resolutions: searchableResolutions(space, known),
    input: bundle.input,
    classNames: bundle.classNames,
    calibrationImages: bundle.calibration.count,
    verificationImages: bundle.verification.count,
    figures: { ...bundle.figures, predictor: predictor.quality },
  };
}

const latencyModelInfo = ({
  spaceId,
  statistic,
  method,
  revision,
  resolutions,
  measuredAt,
  holdout,
}: LatencyProfile): LatencyModelInfo => ({
  spaceId,
  statistics: [statistic],
  method,
  revision,
  resolutions,
  measuredAt,
  holdout,
});

/** This machine, with a latency model per search space. */
function hardwareInfos(benches: readonly Workbench[]): HardwareInfo[] {
  const models: LatencyModel[] = benches.flatMap(({ latency }) => (latency === undefined ? [] : [latency]));
  const [first] = models;
  if (first === undefined) return [];
  const { hardware } = first.profile;
  const { id, name, device, runtime, precision, threads, batch, provenance } = hardware;
  const bySpace = new Map(models.map(({ profile }) => [profile.spaceId, profile]));
  return [
    {
      id,
      name,
      device,
      runtime,
      precision,
      threads,
      batch,
      provenance,
      isHere: canMeasureHere(hardware),
      latencyModels: [...bySpace.values()].map(latencyModelInfo),
    },
  ];
}

/** Predicted figures of given architectures; what constraints allow is answered beside it by exact bounds. */
async function estimate(bench: Workbench, { archs, hardwareId }: EstimateRequest): Promise<EstimateResult> {
  const { space } = bench.bundle.supernet;
  const canonical = archs.map((arch) => {
    assertArchInSpace(space, arch);
    return canonicalArch(space, arch);
  });
  const scores = await bench.predictor.score(canonical);
  const latency = bench.latency?.profile.hardware.id === hardwareId ? bench.latency : undefined;
  const described = describeArchs({ costs: bench.costs, latency }, canonical);
  return {
    candidates: canonical.map((arch, i) => {
      // One score and one description per architecture.
      const predictedTop1 = scores[i] as number;
      const figures = described[i] as Described;
      const candidate = { arch, archId: archId(space, arch), predictedTop1, ...figures };
      return withIntervals({ predictor: bench.predictor, latency }, candidate);
    }),
  };
}
