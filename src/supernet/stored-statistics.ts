import type { BatchNormStatistics, Subnet } from './types.js';

/**
 * The running statistics that came with an imported checkpoint, sliced like the weights.
 * They are the supernet's own: without calibration a smaller sub-network is inaccurate with them.
 * @returns undefined if any convolution has none
 */
export function storedStatistics(subnet: Subnet): BatchNormStatistics | undefined {
  const statistics = new Map<string, { mean: Float32Array; variance: Float32Array }>();
  for (const { op, name } of subnet.layers) {
    if (op !== 'conv' && op !== 'depthwise') continue;
    const mean = subnet.tensors.get(`${name}.bn.running_mean`);
    const variance = subnet.tensors.get(`${name}.bn.running_var`);
    if (mean === undefined || variance === undefined) return undefined;
    statistics.set(name, { mean: mean.data, variance: variance.data });
  }
  return statistics;
}
