/**
 * What the page and its figures are drawn from: plain data, named and shaped like the report that a specialization stores,
 * so that a composition root hands that over with `input` added. Units are in the names; `top1` is a fraction 0..1.
 */
export interface ReportView {
  /** What nobody must overlook, in sentences; the page begins with them. */
  readonly notices?: readonly string[];
  readonly id: string;
  /** RFC 3339, UTC. */
  readonly createdAt: string;
  readonly request: RequestView;
  readonly delivered: CandidateView;
  readonly measured: MeasuredView;
  readonly checks: readonly CheckView[];
  /** Candidates that were tried before the delivered one, with the checks that turned them down. */
  readonly rejected: readonly { readonly candidate: CandidateView; readonly checks: readonly CheckView[] }[];
  readonly paretoFront: readonly CandidateView[];
  readonly searchHistory: readonly SearchPointView[];
  readonly moreBudget?: readonly RelaxationView[];
  /** The time limit ended the search before its evaluations were used. */
  readonly searchCutShort?: boolean;
  /** The specialization whose stored answer this is. */
  readonly storedAnswerOf?: string;
  /** Of the candidates' intervals. */
  readonly intervalConfidence?: number;
  /** In execution order. */
  readonly layers: readonly LayerView[];
  readonly artifact: {
    readonly sha256: string;
    readonly bytes: number;
    readonly opset: number;
    readonly exporterRevision: number;
  };
  readonly supernet: { readonly id: string; readonly sha256: string; readonly spaceId: string };
  readonly hardware: HardwareView;
  /** Seconds per stage, `totalSeconds` among them. */
  readonly timings: Readonly<Record<string, number>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly input: InputView;
}

/** What one limit, loosened a little, would buy, the others as asked. */
export interface RelaxationView {
  readonly id: 'maxLatencyMs' | 'maxMacs' | 'maxParams' | 'maxModelBytes' | 'maxPeakMemoryBytes' | 'minTop1';
  readonly limit: number;
  readonly relaxedLimit: number;
  /** What is compared: the best within the limits with the best that the loosened one allows. */
  readonly figure: 'predictedTop1' | 'predictedLatencyMs' | 'macs';
  readonly from: number;
  /** Absent: unknown, `why` says why. */
  readonly to?: number;
  readonly why?: string;
}

export interface RequestView {
  readonly constraints: ConstraintsView;
  readonly seed: number;
  readonly search: { readonly evaluations: number; readonly maxSeconds?: number; readonly confidence?: number };
  readonly objective?: 'accuracy' | 'latency' | 'macs';
  readonly labels: Readonly<Record<string, string>>;
}

/** Upper bounds, and `minTop1` as a lower one; absent: not limited. */
export interface ConstraintsView {
  readonly maxLatencyMs?: number;
  readonly latencyStatistic?: string;
  readonly maxMacs?: number;
  readonly maxParams?: number;
  readonly maxModelBytes?: number;
  readonly maxPeakMemoryBytes?: number;
  readonly minTop1?: number;
}

export interface IntervalView {
  readonly low: number;
  readonly high: number;
}

/** An architecture with its predicted figures. */
export interface CandidateView {
  readonly archId: string;
  readonly arch: {
    readonly kernelSizes: readonly number[];
    readonly expandRatios: readonly number[];
    readonly depths: readonly number[];
    readonly resolution: number;
  };
  readonly predictedTop1: number;
  readonly predictedTop1Interval?: IntervalView;
  readonly predictedLatencyMs?: number;
  readonly predictedLatencyIntervalMs?: IntervalView;
  /** Bounds at the request's confidence, where it limits the figure. */
  readonly predictedTop1Lower?: number;
  readonly predictedLatencyUpperMs?: number;
  readonly macs: number;
  readonly params: number;
  readonly modelBytes: number;
  readonly peakMemoryBytes: number;
}

/** What was measured or counted of the delivered model; absent: not measured. */
export interface MeasuredView {
  readonly measuredTop1?: number;
  readonly top1Images?: number;
  readonly measuredLatency?: {
    readonly statistic: string;
    readonly valueMs: number;
    readonly lowMs: number;
    readonly highMs: number;
    readonly samples: number;
    readonly p50Ms: number;
    readonly p90Ms: number;
    readonly p99Ms: number;
  };
  readonly parityRelative: number;
  readonly macs: number;
  readonly params: number;
  readonly modelParams: number;
  readonly modelBytes: number;
  readonly peakMemoryBytes: number;
}

export interface CheckView {
  readonly id: string;
  readonly outcome: 'passed' | 'failed' | 'notMeasured';
  readonly limit?: number;
  readonly value?: number;
  readonly detail: string;
}

export interface SearchPointView {
  readonly evaluations: number;
  readonly bestTop1: number;
  readonly frontSize: number;
}

export interface LayerView {
  readonly name: string;
  readonly op: string;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly inSize: number;
  readonly outSize: number;
  readonly macs: number;
  readonly params: number;
  readonly kernel?: number;
  readonly stride?: number;
  /** Share of the predicted latency, where the latency model gives one for this layer. */
  readonly latencyMs?: number;
}

export interface HardwareView {
  readonly id: string;
  readonly name: string;
  readonly statistic: string;
  readonly revision: string;
  /** Mean absolute error of the latency model on networks held out of its fit; absent where there were none. */
  readonly errorPercent?: number;
}

/** How an image becomes the input `input`, float32 [N, C, H, W]. */
export interface InputView {
  readonly channels: number;
  readonly channelOrder: 'grey' | 'rgb';
  /** Pixel 0..255 is scaled to this range, then (x - mean) / std per channel. */
  readonly range: readonly [number, number];
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly classNames?: readonly string[];
}
