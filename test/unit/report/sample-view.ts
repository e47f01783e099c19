import { makeRng } from '../../../src/common/rng.js';
import type { CandidateView, LayerView, ReportView } from '../../../src/report/model.js';

/** A made-up report with every part filled in, for tests of its looks; no figure of it was measured. */
export function sampleView(): ReportView {
  const front = sampleFront();
  const delivered: CandidateView = {
    ...front[14],
    ...sampleCandidate(14, 0.9174),
    predictedTop1Interval: { low: 0.9131, high: 0.9217 },
    predictedLatencyIntervalMs: { low: 0.535, high: 0.581 },
  };
  return {
    id: '5d9c2b7e-0c1f-4a55-9a44-3a0d6c2f8f01',
    createdAt: '2026-01-02T03:04:05Z',
    request: {
      constraints: {
        maxLatencyMs: 0.6,
        latencyStatistic: 'p50',
        maxMacs: 6_000_000,
        maxModelBytes: 800_000,
        minTop1: 0.905,
      },
      seed: 7,
      search: { evaluations: 20_000 },
      labels: { target: 'kiosk' },
    },
    delivered,
    measured: {
      measuredTop1: 0.9152,
      top1Images: 2500,
      measuredLatency: {
        statistic: 'p50',
        valueMs: 0.566,
        lowMs: 0.561,
        highMs: 0.573,
        samples: 2000,
        p50Ms: 0.566,
        p90Ms: 0.588,
        p99Ms: 0.641,
      },
      parityRelative: 3.1e-6,
      macs: delivered.macs,
      params: delivered.params,
      modelParams: 159_210,
      modelBytes: 661_402,
      peakMemoryBytes: delivered.peakMemoryBytes,
    },
    checks: [
      { id: 'structure', outcome: 'passed', detail: 'The ONNX is well-formed and uses standard operators only.' },
      {
        id: 'parity',
        outcome: 'passed',
        limit: 1e-4,
        value: 3.1e-6,
        detail: 'Largest difference 3.1e-6 of the largest logit.',
      },
      {
        id: 'maxLatencyMs',
        outcome: 'passed',
        limit: 0.6,
        value: 0.566,
        detail: 'p50 0.566 ms of 2,000 runs; at most 0.6 ms.',
      },
      {
        id: 'maxMacs',
        outcome: 'passed',
        limit: 6_000_000,
        value: delivered.macs,
        detail: 'Counted; at most 6,000,000.',
      },
      {
        id: 'maxModelBytes',
        outcome: 'passed',
        limit: 800_000,
        value: 661_402,
        detail: 'The file itself; at most 800,000.',
      },
      {
        id: 'minTop1',
        outcome: 'passed',
        limit: 0.905,
        value: 0.9152,
        detail: '2,288 of 2,500 images; at least 90.5 %.',
      },
    ],
    rejected: [
      {
        candidate: sampleCandidate(15, 0.9181),
        checks: [
          { id: 'parity', outcome: 'passed', detail: 'Largest difference 2.9e-6 of the largest logit.' },
          {
            id: 'maxLatencyMs',
            outcome: 'failed',
            limit: 0.6,
            value: 0.611,
            detail: 'p50 0.611 ms of 2,000 runs; at most 0.6 ms.',
          },
        ],
      },
    ],
    paretoFront: front,
    searchHistory: Array.from({ length: 40 }, (_, i) => ({
      evaluations: 500 * (i + 1),
      bestTop1: 0.9176 - 0.012 * Math.exp(-i / 6),
      frontSize: 10 + i,
    })),
    layers: sampleLayers(),
    artifact: { sha256: 'a3'.repeat(32), bytes: 661_402, opset: 17, exporterRevision: 1 },
    supernet: { id: 'fashion-mnist', sha256: 'b4'.repeat(32), spaceId: 'fashion-mnist' },
    hardware: {
      id: 'local-cpu',
      name: 'this machine, 1 thread',
      statistic: 'p50',
      revision: 'c5c5c5c5',
      errorPercent: 2.4,
    },
    timings: {
      searchSeconds: 2.31,
      extractSeconds: 0.08,
      calibrateSeconds: 0.64,
      verifySeconds: 3.2,
      totalSeconds: 6.23,
    },
    versions: { bespoke: '0.1.0', onnxruntime: '1.30.0', node: '20.20.2' },
    input: {
      channels: 1,
      channelOrder: 'grey',
      range: [0, 1],
      mean: [0.286],
      std: [0.353],
      classNames: ['T-shirt', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Boot'],
    },
  };
}

function sampleCandidate(index: number, predictedTop1: number): CandidateView {
  const macs = Math.round(900_000 * 1.13 ** index);
  return {
    archId: index.toString(16).padStart(2, '0').repeat(32),
    arch: {
      kernelSizes: [3, 5, 7, 3, 3, 5, 3, 3, 3, 3],
      expandRatios: [3, 4, 6, 3, 3, 4, 3, 3, 3, 3],
      depths: [1, 3, 2],
      resolution: 28,
    },
    predictedTop1,
    predictedLatencyMs: 0.12 + (macs / 1e6) * 0.086,
    macs,
    params: 90_000 + 5_000 * index,
    modelBytes: 400_000 + 18_000 * index,
    peakMemoryBytes: 120_000 + 2_000 * index,
  };
}

function sampleFront(): CandidateView[] {
  const rng = makeRng(3);
  return Array.from({ length: 20 }, (_, i) =>
    sampleCandidate(i, 0.9215 - 0.026 * Math.exp(-i / 7) + 0.0006 * rng.next()),
  );
}

function sampleLayers(): LayerView[] {
  const block = (stage: number, index: number, channels: number, size: number): LayerView[] => {
    const name = `stages.${stage}.blocks.${index}`;
    const shape = { inSize: size, outSize: size };
    const hidden = channels * 4;
    return [
      {
        ...shape,
        name: `${name}.expand`,
        op: 'conv',
        inChannels: channels,
        outChannels: hidden,
        kernel: 1,
        stride: 1,
        macs: channels * hidden * size ** 2,
        params: channels * hidden,
        latencyMs: 0.03,
      },
      {
        ...shape,
        name: `${name}.depthwise`,
        op: 'depthwise',
        inChannels: hidden,
        outChannels: hidden,
        kernel: 5,
        stride: 1,
        macs: 25 * hidden * size ** 2,
        params: 25 * hidden,
        latencyMs: 0.04,
      },
      {
        ...shape,
        name: `${name}.project`,
        op: 'conv',
        inChannels: hidden,
        outChannels: channels,
        kernel: 1,
        stride: 1,
        macs: channels * hidden * size ** 2,
        params: channels * hidden,
        latencyMs: 0.025,
      },
    ];
  };
  return [
    {
      name: 'stem',
      op: 'conv',
      inChannels: 1,
      outChannels: 16,
      inSize: 28,
      outSize: 28,
      kernel: 3,
      stride: 1,
      macs: 112_896,
      params: 176,
      latencyMs: 0.03,
    },
    ...block(0, 0, 16, 14),
    ...block(1, 0, 32, 7),
    ...block(1, 1, 32, 7),
    ...block(1, 2, 32, 7),
    ...block(2, 0, 48, 7),
    ...block(2, 1, 48, 7),
    { name: 'pool', op: 'globalPool', inChannels: 48, outChannels: 48, inSize: 7, outSize: 1, macs: 0, params: 0 },
    {
      name: 'classifier',
      op: 'linear',
      inChannels: 128,
      outChannels: 10,
      inSize: 1,
      outSize: 1,
      macs: 1280,
      params: 1290,
      latencyMs: 0.004,
    },
  ];
}
