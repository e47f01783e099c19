import type { LatencyModel } from '../hardware/types.js';
import type { CostTable } from '../space/cost-table.js';
import type { Arch, ArchCosts } from '../space/types.js';

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
