import { latencyInterval } from '../hardware/latency-bounds.js';
import type { LatencyModel } from '../hardware/types.js';
import type { AccuracyPredictor } from '../predictors/predictor.js';
import type { Candidate } from '../search/types.js';
import type { CostTable } from '../space/cost-table.js';
import type { Arch, ArchCosts } from '../space/types.js';
import { type LimitBounds, NO_BOUNDS } from './confidence.js';

/** Costs and predicted latency of one architecture: everything of a candidate that is not its accuracy. */
export type Described = Omit<ArchCosts, 'modelParams'> & { readonly predictedLatencyMs?: number };

/** Costs and, where there is a latency model, predicted latencies of architectures, in order. */
export function describeArchs(
  models: { readonly costs: CostTable; readonly latency: LatencyModel | undefined },
  archs: readonly Arch[],
): Described[] {
  const macs = models.costs.macs(archs);
  const params = models.costs.params(archs);
  const modelBytes = models.costs.modelBytes(archs);
  const peakMemoryBytes = models.costs.peakMemoryBytes(archs);
  const latency = models.latency?.predict(archs);
  return archs.map((_, i) => ({
    // Each array has one entry per architecture.
    macs: macs[i] as number,
    params: params[i] as number,
    modelBytes: modelBytes[i] as number,
    peakMemoryBytes: peakMemoryBytes[i] as number,
    ...(latency === undefined ? {} : { predictedLatencyMs: latency[i] as number }),
  }));
}

/** Share of architectures whose measured figure lies in a stated interval. */
export const INTERVAL_CONFIDENCE = 0.9;

/** Adds to a candidate how sure its predicted figures are. @param bounds what the request's limits were held against, if it asked for a confidence */
export function withIntervals(
  models: { readonly predictor: AccuracyPredictor; readonly latency: LatencyModel | undefined },
  candidate: Candidate,
  bounds: LimitBounds = NO_BOUNDS,
): Candidate {
  const ms = candidate.predictedLatencyMs;
  const interval =
    ms === undefined || models.latency === undefined
      ? undefined
      : latencyInterval(models.latency.profile, ms, INTERVAL_CONFIDENCE);
  const top1Interval = models.predictor.interval(candidate.predictedTop1, INTERVAL_CONFIDENCE);
  return {
    ...candidate,
    ...(top1Interval === undefined ? {} : { predictedTop1Interval: top1Interval }),
    ...(interval === undefined ? {} : { predictedLatencyIntervalMs: interval }),
    ...(bounds.top1Shortfall === 0 ? {} : { predictedTop1Lower: candidate.predictedTop1 - bounds.top1Shortfall }),
    ...(bounds.latencyFactor === 1 || ms === undefined ? {} : { predictedLatencyUpperMs: ms * bounds.latencyFactor }),
  };
}
