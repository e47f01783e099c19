import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { EstimateRequest, EstimateResult, HardwareInfo, SupernetInfo } from './api/ports.js';
import { BespokeError, toProblem } from './common/errors.js';
import type { Progress } from './common/work.js';
import type { RefusedBundle } from './engine-client.js';
import { makeLatencyModel } from './hardware/latency-model.js';
import { canMeasureHere, LOCAL_CPU_ID } from './hardware/local-cpu.js';
import { loadProfile, profilesDir, saveProfile } from './hardware/profile-file.js';
import { profileLocalCpu } from './hardware/profile-local.js';
import type { LatencyProfile } from './hardware/types.js';
import { hardwareInfos, keptProfiles, makeOnHardware, measuringOf, type OnHardware } from './hardware-models.js';
import { PREDICTOR_FILES } from './predictors/file.js';
import { loadPredictor } from './predictors/predictor.js';
import { machineLockDir, withMeasurementLock } from './runtime/measurement-lock.js';
import { runtimeVersion } from './runtime/session.js';
import { archId, assertArchInSpace, canonicalArch, maxArch } from './space/arch.js';
import { makeCostTable } from './space/cost-table.js';
import { archCosts } from './space/costs.js';
import { countSubnets } from './space/count.js';
import type { SearchSpace } from './space/types.js';
import { type Described, describeArchs, withIntervals } from './specialize/describe.js';
import { searchableResolutions } from './specialize/feasible.js';
import { noPredictor } from './specialize/no-predictor.js';
import type { Workbench } from './specialize/specialize.js';
import { loadBundle } from './supernet/bundle.js';
import { VERSION } from './version.js';

/** Everything the numeric process has in memory: a workbench per bundle, and what is told of them. */
export interface Workbenches {
  readonly byId: ReadonlyMap<string, Workbench>;
  /** The workbench of a job: its bundle with the latency model of its hardware type. @throws BespokeError `not-found` */
  benchFor(request: { readonly supernetId: string; readonly hardwareId: string }): Workbench;
  /** The latency profiles that predictions come from. */
  readonly profiles: readonly LatencyProfile[];
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

/** Networks that the profile is measured on are drawn from this seed; a profile's revision says what came of it. */
const PROFILE_SEED = 1;

/**
 * A space whose largest network has more MACs is not measured without being asked for: one of ImageNet's size takes minutes, and a server
 * should start in seconds. `bespoke hardware profile --space` does it.
 */
const MOST_PROFILED_MACS = 100_000_000;

/**
 * The kept profile of this machine for a space, or a new one where there is none or the machine has changed; undefined where there is
 * none of a space of large networks.
 */
async function localProfile(
  space: SearchSpace,
  { dataDir, onProgress, onProfiled }: WorkbenchOptions,
): Promise<LatencyProfile | undefined> {
  const dir = profilesDir(dataDir);
  const kept = await keptProfile(dir, space.id);
  if (kept !== undefined && canMeasureHere(kept.hardware)) return kept;
  if (archCosts(space, maxArch(space)).macs > MOST_PROFILED_MACS) return undefined;
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

/** A supernet that was imported or made of random weights brings no predictor along. */
const hasPredictor = (dir: string): boolean => existsSync(join(dir, PREDICTOR_FILES.card));

/** Loads one bundle and everything that predicts it. @throws BespokeError `bundle-invalid` */
export async function openWorkbench(dir: string, options: WorkbenchOptions): Promise<Workbench> {
  const bundle = await loadBundle(dir);
  const { space, sha256: weightsSha256 } = bundle.supernet;
  const profile = await localProfile(space, options);
  const predictor = hasPredictor(dir) ? await loadPredictor(dir, { space, weightsSha256 }) : undefined;
  return {
    bundle,
    predictor,
    costs: makeCostTable(space),
    latency: profile === undefined ? undefined : makeLatencyModel(space, profile),
    measuring: measuringOf(space, profile),
    versions: { bespoke: VERSION, onnxruntime: runtimeVersion(), node: process.version },
    now: () => performance.now(),
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
        await bench.predictor?.release();
        throw new BespokeError('bundle-invalid', `${dir}: the id "${bench.bundle.id}" is taken by another bundle`);
      }
      workbenches.set(bench.bundle.id, bench);
    } catch (error) {
      if (!(error instanceof BespokeError)) throw error;
      refused.push({ dir, problem: toProblem(error) });
    }
  }
  const benches = [...workbenches.values()];
  const kept = await keptProfiles(options.dataDir);
  const profiles = profilesOf(benches, kept.profiles);
  const benchFor = makeBenchFor(workbenches, makeOnHardware(profiles));
  return {
    byId: workbenches,
    benchFor,
    profiles,
    refused: [...refused, ...kept.refused],
    catalog: { supernets: benches.map(supernetInfo), hardware: hardwareInfos(profiles) },
    estimate: async (request) => estimate(benchFor(request), request),
  };
}

function makeBenchFor(byId: ReadonlyMap<string, Workbench>, onHardware: OnHardware): Workbenches['benchFor'] {
  return ({ supernetId, hardwareId }) => {
    const bench = byId.get(supernetId);
    if (bench === undefined) throw new BespokeError('not-found', `the supernet "${supernetId}" is not loaded here`);
    return onHardware(bench, hardwareId);
  };
}

/** This machine's profiles as they are in use, then the kept ones of other hardware types. */
function profilesOf(benches: readonly Workbench[], kept: readonly LatencyProfile[]): LatencyProfile[] {
  const own = benches.flatMap(({ latency }) => (latency === undefined ? [] : [latency.profile]));
  return [...own, ...kept.filter(({ hardware }) => hardware.id !== LOCAL_CPU_ID)];
}

function supernetInfo({ bundle, predictor }: Workbench): SupernetInfo {
  const { space, sha256 } = bundle.supernet;
  const known = predictor === undefined ? [] : [predictor.resolutions];
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
    hasPredictor: predictor !== undefined,
    figures: { ...bundle.figures, predictor: predictor?.quality },
  };
}

/** Predicted figures of given architectures; what constraints allow is answered beside it by exact bounds. */
async function estimate(bench: Workbench, { archs }: EstimateRequest): Promise<EstimateResult> {
  const { space } = bench.bundle.supernet;
  const canonical = archs.map((arch) => {
    assertArchInSpace(space, arch);
    return canonicalArch(space, arch);
  });
  const { predictor } = bench;
  if (canonical.length === 0) return { candidates: [] };
  if (predictor === undefined) throw noPredictor(bench.bundle.id);
  const scores = await predictor.score(canonical);
  const { latency } = bench;
  const described = describeArchs(bench, canonical);
  return {
    candidates: canonical.map((arch, i) => {
      // One score and one description per architecture.
      const predictedTop1 = scores[i] as number;
      const figures = described[i] as Described;
      const candidate = { arch, archId: archId(space, arch), predictedTop1, ...figures };
      return withIntervals({ predictor, latency }, candidate);
    }),
  };
}
