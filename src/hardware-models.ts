import { basename } from 'node:path';
import type { HardwareInfo, LatencyModelInfo } from './api/ports.js';
import { toProblem } from './common/errors.js';
import type { Steps } from './common/work.js';
import { measureLatency } from './evaluate/latency.js';
import { calibrateDrift } from './hardware/drift.js';
import { makeLatencyModel } from './hardware/latency-model.js';
import { canMeasureHere, LOCAL_CPU_ID, localCpu } from './hardware/local-cpu.js';
import { loadProfiles, profilesDir } from './hardware/profile-file.js';
import type { LatencyModel, LatencyProfile } from './hardware/types.js';
import type { Refused } from './model-dirs.js';
import { machineLockDir, withMeasurementLock } from './runtime/measurement-lock.js';
import type { SearchSpace } from './space/types.js';
import type { Workbench } from './specialize/specialize.js';

/** Runs of one latency measurement, at least, but for slow networks: their median's 99 % interval is then about 2 % wide on a quiet machine. */
const LATENCY_SAMPLES = 300;
/** How long runs go on beyond that number, ms: a fast network is measured more often, a slow one not longer than it needs. */
const LATENCY_MAX_MS = 150;
/** How long the runs of a slow network may take before there are that many, ms: those of ImageNet's size take some 10 ms each. */
const LATENCY_LONG_MS = 1_500;
/** What is measured on this machine where no latency model says which statistic it predicts. */
const UNPREDICTED_STATISTIC = 'p50';
const NOT_HERE: Workbench['measuring'] = { latency: undefined, drift: undefined };

/**
 * Measuring on this machine, one measurement at a time; nothing where a profile is not of this machine. Without a profile there is no
 * drift to tell: latencies can be measured, and not predicted.
 */
export function measuringOf(space: SearchSpace, profile: LatencyProfile | undefined): Workbench['measuring'] {
  if (profile !== undefined && !canMeasureHere(profile.hardware)) return NOT_HERE;
  const statistic = profile?.statistic ?? UNPREDICTED_STATISTIC;
  const runs = { minSamples: LATENCY_SAMPLES, maxMs: LATENCY_MAX_MS, longMs: LATENCY_LONG_MS };
  const options = { threads: 1, statistic, ...runs };
  const locked = <T>({ signal }: Steps, work: () => Promise<T>): Promise<T> =>
    withMeasurementLock(machineLockDir(), work, signal && { signal });
  return {
    latency: (model, steps) => locked(steps, () => measureLatency(model, { ...options, ...steps })),
    drift: profile === undefined ? undefined : (steps) => locked(steps, () => calibrateDrift(space, profile, steps)),
  };
}

/** Every profile that a data folder keeps; a damaged one is refused by name and stops none of the others. */
export async function keptProfiles(
  dataDir: string,
): Promise<{ readonly profiles: readonly LatencyProfile[]; readonly refused: readonly Refused[] }> {
  const refused: Refused[] = [];
  const profiles = await loadProfiles(profilesDir(dataDir), (path, error) =>
    refused.push({ kind: 'profile', id: basename(path), dir: path, problem: toProblem(error) }),
  );
  return { profiles, refused };
}

/** A bundle's workbench for a hardware type: with its latency model, or with none where there is none for the bundle's space. */
export type OnHardware = (bench: Workbench, hardwareId: string) => Workbench;

/** Finds the latency models of profiles for workbenches, made when they are first asked for. */
export function makeOnHardware(profiles: readonly LatencyProfile[]): OnHardware {
  const models = new Map<LatencyProfile, LatencyModel>();
  const modelOf = (space: SearchSpace, profile: LatencyProfile): LatencyModel => {
    const model = models.get(profile) ?? makeLatencyModel(space, profile);
    models.set(profile, model);
    return model;
  };
  return (bench, hardwareId) => {
    if (bench.latency?.profile.hardware.id === hardwareId) return bench;
    const { space } = bench.bundle.supernet;
    if (bench.latency === undefined && hardwareId === LOCAL_CPU_ID) return bench;
    const profile = profiles.find(({ hardware, spaceId }) => hardware.id === hardwareId && spaceId === space.id);
    if (profile === undefined) return { ...bench, latency: undefined, measuring: NOT_HERE };
    return { ...bench, latency: modelOf(space, profile), measuring: measuringOf(space, profile) };
  };
}

function latencyModelInfo(profile: LatencyProfile): LatencyModelInfo {
  const { spaceId, statistic, method, revision, resolutions, measuredAt, holdout, sources } = profile;
  return {
    spaceId,
    statistics: [statistic],
    method,
    revision,
    resolutions,
    ...(measuredAt === undefined ? {} : { measuredAt }),
    ...(holdout === undefined ? {} : { holdout }),
    ...(sources === undefined ? {} : { sources }),
  };
}

/**
 * The hardware types of profiles, each with a latency model per search space; of two profiles for the same pair, the first counts.
 * This machine is always among them: without a latency model it can be measured and not limited.
 */
export function hardwareInfos(profiles: readonly LatencyProfile[]): HardwareInfo[] {
  const { fingerprint: _own, ...here } = localCpu();
  const byId = new Map<string, HardwareInfo>([[here.id, { ...here, isHere: true, latencyModels: [] }]]);
  for (const profile of profiles) {
    const { fingerprint: _, ...hardware } = profile.hardware;
    const isHere = canMeasureHere(profile.hardware);
    const info = byId.get(hardware.id) ?? { ...hardware, isHere, latencyModels: [] };
    if (info.latencyModels.some(({ spaceId }) => spaceId === profile.spaceId)) continue;
    byId.set(hardware.id, { ...info, latencyModels: [...info.latencyModels, latencyModelInfo(profile)] });
  }
  return [...byId.values()];
}
