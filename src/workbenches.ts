import type { EstimateRequest, EstimateResult, HardwareInfo, SupernetInfo } from './api/ports.js';
import { BundleMemory, type MemoryAccount } from './bundle-memory.js';
import { BespokeError } from './common/errors.js';
import { makeLatencyModel } from './hardware/latency-model.js';
import { LOCAL_CPU_ID } from './hardware/local-cpu.js';
import type { LatencyProfile } from './hardware/types.js';
import { hardwareInfos, keptProfiles, makeOnHardware, measuringOf } from './hardware-models.js';
import { type LocalProfileOptions, localProfile } from './local-profile.js';
import { findBundles, type Refused, refusedBundle } from './model-dirs.js';
import { PREDICTOR_FILES } from './predictors/file.js';
import { loadPredictor, type PredictorFacts, readPredictorFacts } from './predictors/predictor.js';
import { runtimeVersion } from './runtime/session.js';
import { archId, assertArchInSpace, canonicalArch } from './space/arch.js';
import { makeCostTable } from './space/cost-table.js';
import { countSubnets } from './space/count.js';
import { type Described, describeArchs, withIntervals } from './specialize/describe.js';
import { searchableResolutions } from './specialize/feasible.js';
import { noPredictor } from './specialize/no-predictor.js';
import type { Workbench } from './specialize/specialize.js';
import { loadBundle } from './supernet/bundle.js';
import { type BundleFacts, readBundleFacts } from './supernet/bundle-facts.js';
import { VERSION } from './version.js';

/** Which bundle a request is about, and for which hardware. */
interface BenchRequest {
  readonly supernetId: string;
  readonly hardwareId: string;
}

/** Everything the numeric process serves: what is told of every bundle, and a workbench of each while it is used. */
export interface Workbenches {
  /**
   * Runs `work` with the workbench of a request: its bundle, loaded if it is not in memory, with the latency model of its hardware type.
   * @throws BespokeError `not-found`; `bundle-invalid` if the bundle turns out to be broken when it is read whole
   */
  withBench<R>(request: BenchRequest, work: (bench: Workbench) => Promise<R>): Promise<R>;
  /** Loads a bundle before it is asked for. */
  warm(supernetId: string): Promise<void>;
  /** The latency profiles that predictions come from. */
  readonly profiles: readonly LatencyProfile[];
  readonly refused: readonly Refused[];
  readonly catalog: { readonly supernets: readonly SupernetInfo[]; readonly hardware: readonly HardwareInfo[] };
  estimate(request: EstimateRequest): Promise<EstimateResult>;
  /** Bundles in memory now. */
  memory(): MemoryAccount;
}

interface WorkbenchesOptions extends LocalProfileOptions {
  readonly bundleMemoryBytes: number;
}

/** What is known of a bundle without loading it. */
interface Servable {
  readonly facts: BundleFacts;
  /** Absent: nothing can be searched for. */
  readonly predictor: PredictorFacts | undefined;
  readonly profile: LatencyProfile | undefined;
}

/** A supernet that was imported or made of random weights brings no predictor along. */
const hasPredictor = ({ files }: BundleFacts): boolean => files.includes(PREDICTOR_FILES.card);

/** What a bundle needs beside its own facts; this machine is measured for its space if it has to be. */
async function servableOf(facts: BundleFacts, options: LocalProfileOptions): Promise<Servable> {
  const { dir, space, weightsSha256 } = facts;
  const predictor = hasPredictor(facts) ? await readPredictorFacts(dir, { space, weightsSha256 }) : undefined;
  return { facts, predictor, profile: await localProfile(space, options) };
}

/** Loads a bundle and everything that predicts it. @throws BespokeError `bundle-invalid` */
async function loadBench({ facts, profile }: Servable): Promise<Workbench> {
  const { dir, space, weightsSha256 } = facts;
  // What was told of it, and what answers are remembered by, is what it was at the start.
  if ((await readBundleFacts(dir)).bundleSha256 !== facts.bundleSha256) {
    throw new BespokeError(
      'bundle-invalid',
      `the bundle in "${dir}" has changed since this server started; start it again to serve it as it is now`,
    );
  }
  const bundle = await loadBundle(dir);
  return {
    bundle,
    predictor: hasPredictor(facts) ? await loadPredictor(dir, { space, weightsSha256 }) : undefined,
    costs: makeCostTable(space),
    latency: profile === undefined ? undefined : makeLatencyModel(space, profile),
    measuring: measuringOf(space, profile),
    versions: { bespoke: VERSION, onnxruntime: runtimeVersion(), node: process.version },
    now: () => performance.now(),
  };
}

/** One bundle's workbench, loaded at once. @throws BespokeError `bundle-invalid` */
export async function openWorkbench(dir: string, options: LocalProfileOptions): Promise<Workbench> {
  return loadBench(await servableOf(await readBundleFacts(dir), options));
}

interface Served {
  readonly servables: ReadonlyMap<string, Servable>;
  readonly refused: readonly Refused[];
}

/** Looks at every bundle; a broken one is refused by name and stops none of the others. */
async function servablesIn(modelDirs: readonly string[], options: LocalProfileOptions): Promise<Served> {
  const found = await findBundles(modelDirs);
  const servables = new Map<string, Servable>();
  const refused = [...found.refused];
  for (const facts of found.bundles) {
    try {
      servables.set(facts.id, await servableOf(facts, options));
    } catch (error) {
      refused.push({ ...refusedBundle(facts.dir, error), id: facts.id });
    }
  }
  return { servables, refused };
}

function memoryOf({ servables }: Served, budgetBytes: number): BundleMemory<Workbench> {
  const servable = (id: string): Servable => {
    const found = servables.get(id);
    if (found === undefined) throw new BespokeError('not-found', `the supernet "${id}" is not loaded here`);
    return found;
  };
  return new BundleMemory({
    budgetBytes,
    bytesOf: (id) => servable(id).facts.bytes,
    load: (id) => loadBench(servable(id)),
    release: async ({ predictor }) => {
      await predictor?.release();
      globalThis.gc?.(); // weights and images are large: the next bundle should not wait for their collection
    },
  });
}

/**
 * Opens the model folders: every bundle is told of by its card, space and headers, and loaded at its first use, within a budget of memory.
 * Of a single one nothing is gained by waiting: it is loaded at once, and refused at once if it is broken.
 */
export async function openWorkbenches(modelDirs: readonly string[], options: WorkbenchesOptions): Promise<Workbenches> {
  const served = await servablesIn(modelDirs, options);
  const memory = memoryOf(served, options.bundleMemoryBytes);
  const single = await loadSingle(served, memory);
  const servables = [...single.servables.values()];
  const kept = await keptProfiles(options.dataDir);
  const profiles = profilesOf(servables, kept.profiles);
  const onHardware = makeOnHardware(profiles);
  const withBench: Workbenches['withBench'] = ({ supernetId, hardwareId }, work) =>
    memory.use(supernetId, (bench) => work(onHardware(bench, hardwareId)));
  return {
    withBench,
    warm: (supernetId) => memory.use(supernetId, async () => {}),
    profiles,
    refused: [...single.refused, ...kept.refused],
    catalog: { supernets: servables.map(supernetInfo), hardware: hardwareInfos(profiles) },
    estimate: (request) => withBench(request, (bench) => estimate(bench, request)),
    memory: () => memory.account(),
  };
}

async function loadSingle(served: Served, memory: BundleMemory<Workbench>): Promise<Served> {
  const [only, ...others] = served.servables.values();
  if (only === undefined || others.length > 0) return served;
  const { id, dir } = only.facts;
  try {
    await memory.use(id, async () => {});
    return served;
  } catch (error) {
    return { servables: new Map(), refused: [...served.refused, { ...refusedBundle(dir, error), id }] };
  }
}

/** This machine's profiles as they are in use, then the kept ones of other hardware types. */
function profilesOf(servables: readonly Servable[], kept: readonly LatencyProfile[]): LatencyProfile[] {
  const own = servables.flatMap(({ profile }) => (profile === undefined ? [] : [profile]));
  return [...own, ...kept.filter(({ hardware }) => hardware.id !== LOCAL_CPU_ID)];
}

function supernetInfo({ facts, predictor }: Servable): SupernetInfo {
  const { space } = facts;
  const known = predictor === undefined ? [] : [predictor.resolutions];
  return {
    id: facts.id,
    title: facts.title,
    sha256: facts.weightsSha256,
    bundleSha256: facts.bundleSha256,
    spaceId: space.id,
    space,
    subnetCount: countSubnets(space).toString(),
    resolutions: searchableResolutions(space, known),
    input: facts.input,
    classNames: facts.classNames,
    calibrationImages: facts.calibrationImages,
    verificationImages: facts.verificationImages,
    hasPredictor: predictor !== undefined,
    figures: { ...facts.figures, predictor: predictor?.quality },
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
