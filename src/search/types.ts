import type { Asked } from '../common/asked.js';
import type { Arch, ArchId } from '../space/types.js';

export type { LatencyStatistic } from '../common/latency-statistic.js';

/** A two-sided interval at a stated confidence; units are those of the figure it belongs to. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** An architecture and its predicted figures. Predicted and measured never share a field. */
export interface Candidate {
  readonly arch: Arch;
  readonly archId: ArchId;
  /** Fraction 0..1. */
  readonly predictedTop1: number;
  readonly predictedTop1Interval?: Interval;
  readonly predictedLatencyMs?: number;
  readonly predictedLatencyIntervalMs?: Interval;
  /** One-sided bounds at the request's confidence, where it asked for one and limits the figure. */
  readonly predictedTop1Lower?: number;
  readonly predictedLatencyUpperMs?: number;
  readonly macs: number;
  readonly params: number;
  readonly modelBytes: number;
  readonly peakMemoryBytes: number;
}

/** What is maximised: a score per architecture, higher is better. Asynchronous, as a predictor may run in ONNX Runtime. */
export interface Objective {
  score(archs: readonly Arch[]): Promise<Float32Array>;
  /** The same as a function of the encoding, where it is one that has slopes. */
  readonly encoded?: EncodedObjective;
}

/** An objective of rows of the space room's `encodeArchs`, `[n, features]`, row-major. Rows are lent until the answer is taken. */
export interface EncodedObjective {
  /** The encoding's list of resolutions, pixels. */
  readonly resolutions: readonly number[];
  /** Scores `[n]`: to the bit those of `score`. */
  score(rows: Float32Array): Asked;
  /** Derivatives of the score by each feature, `[n, features]`: what a change of the architecture gains, to first order. */
  slopes(rows: Float32Array): Asked;
}

/** A hard upper bound on an additive or other cost; `id` is the request's name of it (`maxMacs`, `maxLatencyMs`). */
export interface Constraint {
  readonly id: string;
  cost(archs: readonly Arch[]): Float64Array;
  readonly max: number;
}
