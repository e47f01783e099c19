import { BespokeError, type Problem, toProblem } from '../../src/common/errors.js';
import { sha256 } from '../../src/common/hash.js';
import { makeRng } from '../../src/common/rng.js';
import type { Candidate } from '../../src/search/types.js';
import type { ArchId } from '../../src/space/types.js';
import type { JobProgress, Outcome, Report, SpecializationRequest } from '../../src/specialize/types.js';

/** A request with every default filled in. */
export function makeRequest(rest: Partial<SpecializationRequest> = {}): SpecializationRequest {
  return {
    supernetId: 'fashion-mnist',
    hardwareId: 'local-cpu',
    constraints: { maxLatencyMs: 0.6, latencyStatistic: 'p90', maxMacs: 3_000_000 },
    objective: 'accuracy',
    seed: 1,
    search: { evaluations: 1000 },
    verify: { latency: 'measured' },
    labels: {},
    ...rest,
  };
}

/** Bytes that do not compress. */
export function makeModel(length: number, seed = 1): Uint8Array {
  const rng = makeRng(seed);
  return Uint8Array.from({ length }, () => rng.int(256));
}

export interface Figures {
  readonly archId?: string;
  readonly top1?: number;
  readonly predictedLatencyMs?: number;
  readonly measuredLatencyMs?: number;
  readonly macs?: number;
}

/** A succeeded outcome that delivers `model`. */
export function makeSucceeded(model: Uint8Array, figures: Figures = {}): Outcome {
  return { status: 'succeeded', report: makeReport(model, figures), model };
}

function makeReport(model: Uint8Array, figures: Figures): Report {
  const { archId = 'a1', top1, predictedLatencyMs, measuredLatencyMs, macs = 2_000_000 } = figures;
  const delivered: Candidate = {
    arch: { spaceId: 'tiny', kernelSizes: [3, 5], expandRatios: [3, 4], depths: [2], resolution: 28 },
    archId: archId as ArchId,
    predictedTop1: 0.91,
    ...(predictedLatencyMs !== undefined && { predictedLatencyMs }),
    macs,
    params: 1000,
    modelBytes: model.length,
    peakMemoryBytes: 4096,
  };
  const ms = measuredLatencyMs;
  return {
    schema: 1,
    id: 'of-the-row',
    createdAt: '2026-01-01T00:00:00.000Z',
    request: makeRequest(),
    delivered,
    measured: {
      ...(top1 !== undefined && { measuredTop1: top1 }),
      ...(ms !== undefined && {
        measuredLatency: {
          statistic: 'p90',
          valueMs: ms,
          lowMs: ms,
          highMs: ms,
          samples: 9,
          p50Ms: ms,
          p90Ms: ms,
          p99Ms: ms,
        },
      }),
      parityRelative: 1e-7,
      macs,
      params: 1000,
      modelParams: 1000,
      modelBytes: model.length,
      peakMemoryBytes: 4096,
    },
    checks: [{ id: 'parity', outcome: 'passed', limit: 1e-4, value: 1e-7, detail: 'ok' }],
    rejected: [],
    paretoFront: [delivered],
    searchCutShort: false,
    searchHistory: [{ evaluations: 10, bestTop1: 0.9, frontSize: 1 }],
    layers: [],
    input: {
      channels: 1,
      channelOrder: 'grey',
      range: [0, 1],
      mean: [0.5],
      std: [0.5],
      resize: 'bilinear',
      antialias: true,
      cropFraction: 1,
      classNames: ['a', 'b'],
    },
    artifact: { sha256: sha256(model), bytes: model.length, opset: 17, exporterRevision: 1 },
    supernet: { id: 'fashion-mnist', sha256: 'f'.repeat(64), spaceId: 'tiny' },
    hardware: { id: 'local-cpu', name: 'x', statistic: 'p90', revision: '1', errorPercent: 3 },
    timings: { searchSeconds: 1, extractSeconds: 1, calibrateSeconds: 1, verifySeconds: 1, totalSeconds: 4 },
    versions: { bespoke: '0.1.0', onnxruntime: '1.30.0', node: '20' },
  };
}

export const PROBLEM: Problem = toProblem(new BespokeError('internal', 'The worker was lost three times.'));

export const PROGRESS: JobProgress = { stage: 'searching', fraction: 0.25 };

/** Long enough that no test outlives it. */
export const LEASE_MS = 600_000;

/** A lease that has run out when it is given. */
export const LOST_MS = -1;
