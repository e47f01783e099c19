import type { LatencyStatistic } from '../common/latency-statistic.js';

/** Latency samples of one model, measured here. */
export interface MeasuredLatency {
  readonly statistic: LatencyStatistic;
  readonly valueMs: number;
  /** 99 % interval of that statistic, by order statistics. */
  readonly lowMs: number;
  readonly highMs: number;
  readonly samples: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
}

/** Top-1 of one model, measured on labeled images. */
export interface MeasuredTop1 {
  /** Fraction 0..1. */
  readonly top1: number;
  readonly images: number;
}
