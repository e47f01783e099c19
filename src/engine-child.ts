import type { EstimateRequest } from './api/ports.js';
import { Precedence } from './common/precedence.js';
import type { EngineCatalog, EngineOptions } from './engine-client.js';
import { serveParent } from './runtime/child.js';
import type { Claim } from './specialize/ports.js';
import { probe } from './specialize/probe.js';
import { specialize } from './specialize/specialize.js';
import type { SpecializationRequest } from './specialize/types.js';
import { openWorkbenches, type Workbenches } from './workbenches.js';

/**
 * The process of the numeric work: searches, cuts, calibrates and measures. `session.run()` blocks its thread, so it is a process of its own;
 * the API answers while it is busy. Started by `makeEngineClient`, whose parameters are this file's argument.
 */
// The argument is written by makeEngineClient from these very types.
const options = JSON.parse(process.argv[2] ?? '{}') as EngineOptions;

/** When garbage is collected after a job, ms: its answer is on its way then. */
const COLLECT_AFTER_MS = 50;

/** What is asked in passing is answered between two steps of a job, not after it. */
const precedence = new Precedence();

let opened: Promise<Workbenches> | undefined;
let hasProfiled = false;

/** Opens the model folders on first use, so that a restarted process serves the next job without being told. */
function open(onProgress: (event: unknown) => void): Promise<Workbenches> {
  const { modelDirs, dataDir, bundleMemoryBytes } = options;
  const onProfiled = (): void => {
    hasProfiled = true;
  };
  const settings = { dataDir, bundleMemoryBytes, onProgress, onProfiled };
  opened ??= openWorkbenches(modelDirs, settings).catch((error: unknown) => {
    opened = undefined; // the next call tries again
    throw error;
  });
  return opened;
}

serveParent({
  load: async (_params, { emit }): Promise<EngineCatalog> => {
    const { profiles, refused, catalog } = await open(emit);
    return {
      ...catalog,
      refused,
      hasProfiled,
      profiles,
    };
  },
  specialize: async (claim: Claim, { signal, emit }) => {
    const benches = await open(() => {});
    try {
      return await benches.withBench(claim.request, (bench) =>
        specialize(bench, claim, { signal, onProgress: emit, pause: precedence.pause }),
      );
    } finally {
      // A job leaves some 100 MB of garbage, which V8 would keep until the next one; an idle server should not hold it.
      setTimeout(() => globalThis.gc?.(), COLLECT_AFTER_MS);
    }
  },
  probe: (request: SpecializationRequest) =>
    precedence.first(async () => (await open(() => {})).withBench(request, (bench) => probe(bench, request))),
  estimate: (request: EstimateRequest) => precedence.first(async () => (await open(() => {})).estimate(request)),
  warm: async (supernetId: string) => (await open(() => {})).warm(supernetId),
  memory: async () => (await open(() => {})).memory(),
});
