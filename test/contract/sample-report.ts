import type { Candidate } from '../../src/api/ports.js';
import { sha256 } from '../../src/common/hash.js';
import type { ArtifactInfo, Report, SpecializationResult, SpecializationRow } from '../../src/specialize/types.js';

/** A candidate with every figure that one can have. */
export const CANDIDATE: Candidate = {
  arch: { spaceId: 'toy-space', kernelSizes: [3, 5], expandRatios: [3, 4], depths: [1, 2], resolution: 20 },
  archId: sha256('arch') as string as Candidate['archId'], // any hex will do as an id here
  predictedTop1: 0.91,
  predictedTop1Interval: { low: 0.9, high: 0.92 },
  predictedLatencyMs: 0.5,
  predictedLatencyIntervalMs: { low: 0.45, high: 0.55 },
  macs: 2_000_000,
  params: 90_000,
  modelBytes: 25_000,
  peakMemoryBytes: 65_536,
};

const {
  predictedLatencyMs: _ms,
  predictedLatencyIntervalMs: _interval,
  predictedTop1Interval: _top1,
  ...BARE
} = CANDIDATE;

const MEASURED: Report['measured'] = {
  measuredTop1: 0.905,
  top1Images: 1000,
  measuredLatency: {
    statistic: 'p50',
    valueMs: 0.48,
    lowMs: 0.47,
    highMs: 0.5,
    samples: 400,
    p50Ms: 0.48,
    p90Ms: 0.52,
    p99Ms: 0.7,
  },
  parityRelative: 1e-6,
  macs: 2_000_000,
  params: 90_000,
  modelParams: 88_000,
  modelBytes: 25_000,
  peakMemoryBytes: 65_536,
};

const CHECKS: Report['checks'] = [
  { id: 'maxMacs', outcome: 'passed', limit: 3_000_000, value: 2_000_000, detail: 'counted' },
  { id: 'parity', outcome: 'passed', value: 1e-6, detail: 'largest difference of logits' },
  { id: 'minTop1', outcome: 'notMeasured', detail: 'no limit was given' },
];

const LAYERS: Report['layers'] = [
  {
    ...{ name: 'stem', input: 'input', op: 'conv', inChannels: 1, outChannels: 16, inSize: 20, outSize: 20 },
    ...{ macs: 57_600, params: 176, modelParams: 160, kernel: 3, stride: 1, activation: 'relu', latencyMs: 0.01 },
  },
  {
    ...{ name: 'classifier', input: 'pool', op: 'linear', inChannels: 16, outChannels: 2, inSize: 1, outSize: 1 },
    ...{ macs: 32, params: 34, modelParams: 34, bias: true, activation: 'none' },
  },
];

/** A report with every kind of member that one can have. */
export function reportOf(row: SpecializationRow, artifact: ArtifactInfo): Report {
  return {
    schema: 1,
    id: row.id,
    createdAt: row.createdAt,
    request: row.request,
    delivered: CANDIDATE,
    measured: MEASURED,
    checks: CHECKS,
    rejected: [
      {
        candidate: BARE,
        checks: [{ id: 'maxLatencyMs', outcome: 'failed', limit: 0.4, value: 0.6, detail: 'measured' }],
      },
    ],
    paretoFront: [CANDIDATE, BARE],
    searchCutShort: false,
    searchHistory: [{ evaluations: 1000, bestTop1: 0.9, frontSize: 12 }],
    layers: LAYERS,
    artifact,
    input: {
      ...{ channels: 1, channelOrder: 'grey', range: [0, 1], mean: [0.286], std: [0.353] },
      ...{ resize: 'bilinear', antialias: true, cropFraction: 1, classNames: ['a', 'b'] },
    },
    supernet: { id: 'toy', sha256: sha256('weights'), spaceId: 'toy-space' },
    hardware: { id: 'local-cpu', name: 'This machine', statistic: 'p50', revision: sha256('table'), errorPercent: 2.5 },
    timings: { searchSeconds: 1, extractSeconds: 0.1, calibrateSeconds: 0.5, verifySeconds: 2, totalSeconds: 3.6 },
    versions: { bespoke: '0.0.0-test', onnxruntime: '1.30.0', node: '20.20.0' },
  };
}

export function resultOf(report: Report): SpecializationResult {
  const { delivered, measured, checks, artifact } = report;
  return { arch: delivered.arch, archId: delivered.archId, predicted: delivered, measured, checks, artifact };
}
