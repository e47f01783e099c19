import { float, GraphBuilder, int, type Value } from '../onnx/builder.js';
import type { OnnxModel } from '../onnx/ir.js';
import { floats } from '../tensor/tensor.js';
import { convAttributes, emitLayers, tensorAt } from './emit-layers.js';
import type { Subnet } from './types.js';

/** Where the calibration graph puts a layer's batch statistics. */
export interface StatisticsOutputs {
  readonly layer: string;
  readonly mean: string;
  readonly variance: string;
}

export interface CalibrationModel {
  readonly onnx: OnnxModel;
  readonly outputs: readonly StatisticsOutputs[];
}

/**
 * The sub-network up to its last batch normalisation, each of which normalises with the current batch's own mean and biased variance
 * (per channel over N, H, W); these are the graph's outputs, float32 `[channels]`.
 * Source: OFA `set_running_statistics`; ONNX BatchNormalization-15 with training_mode
 */
export function calibrationModel(subnet: Subnet): CalibrationModel {
  const { layers, tensors, space } = subnet;
  const graph = new GraphBuilder('calibration');
  const outputs: StatisticsOutputs[] = [];
  const lastConv = layers.findLastIndex(({ op }) => op === 'conv' || op === 'depthwise');
  // momentum 0: the "running" outputs are the batch's own statistics, and what they are started from does not count.
  const attributes = { training_mode: int(1), momentum: float(0), epsilon: float(space.bnEpsilon) };
  const emitter = {
    graph,
    tensors,
    conv: (layer: Parameters<typeof convAttributes>[0], x: Value, name: string): Value => {
      const part = (key: string): Value =>
        graph.initializer(`${layer.name}.${key}`, tensorAt(tensors, `${layer.name}.${key}`));
      const y = graph.node('Conv', [x, part('weight')], { ...convAttributes(layer), name: `${layer.name}.raw` });
      const unused = graph.initializer(
        `${layer.name}.unused`,
        floats([layer.outChannels], new Float32Array(layer.outChannels).fill(1)),
      );
      const [normalized, mean, variance] = graph.nodes(
        'BatchNormalization',
        [y, part('bn.weight'), part('bn.bias'), unused, unused],
        { name, outputs: 3, attributes },
      ) as [Value, Value, Value];
      graph.output(mean, 'float32', [layer.outChannels]);
      graph.output(variance, 'float32', [layer.outChannels]);
      outputs.push({ layer: layer.name, mean, variance });
      return normalized;
    },
  };
  emitLayers(emitter, layers.slice(0, lastConv + 1));
  return { onnx: graph.model(), outputs };
}
