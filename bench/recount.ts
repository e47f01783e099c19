import { BespokeError } from '../src/common/errors.js';
import { countModelMacs, countModelParams } from '../src/onnx/check.js';
import { decodeModel } from '../src/onnx/codec.js';
import type { OnnxModel } from '../src/onnx/ir.js';
import { archCosts } from '../src/space/costs.js';
import { parseArch } from '../src/space/reference-spelling.js';
import type { SearchSpace } from '../src/space/types.js';

/** What a delivered file says of itself when it is read again. */
export interface Recount {
  readonly macs: number;
  /** Learnable parameters before BN folding. */
  readonly params: number;
  readonly modelBytes: number;
  /** By the space's formula for the architecture that the file names: the file alone does not say what a runtime holds at once. */
  readonly peakMemoryBytes: number;
}

/** Operators that a value stays a mean of a whole map through: the convolutions behind a global mean are squeeze-and-excite's. */
const POINTWISE: ReadonlySet<string> = new Set(['Conv', 'Relu', 'HardSigmoid', 'Clip', 'Sigmoid']);

/** Output channels of the convolutions that a batch normalization was folded into: all but squeeze-and-excite's. */
function foldedChannels({ graph }: OnnxModel): number {
  const weights = new Map(graph.initializers.map(({ name, tensor }) => [name, tensor.dims]));
  const pooled = new Set<string>();
  let channels = 0;
  for (const { opType, inputs, outputs } of graph.nodes) {
    const [x = '', weight = ''] = inputs;
    const [output = ''] = outputs;
    const isPooled = opType === 'GlobalAveragePool' || (pooled.has(x) && POINTWISE.has(opType));
    if (isPooled) pooled.add(output);
    else if (opType === 'Conv') channels += weights.get(weight)?.[0] ?? Number.NaN;
  }
  return channels;
}

/**
 * Counts a delivered model from its bytes alone. A folded convolution holds one bias per channel where the network learned a scale and a
 * shift, so `params` is the file's weights and one more per folded channel.
 */
export function recount(space: SearchSpace, bytes: Uint8Array): Recount {
  const model = decodeModel(bytes);
  const arch = model.metadata['bespoke.arch'];
  if (arch === undefined) throw new BespokeError('invalid-request', 'the delivered model names no architecture');
  return {
    macs: countModelMacs(model),
    params: countModelParams(model) + foldedChannels(model),
    modelBytes: bytes.byteLength,
    peakMemoryBytes: archCosts(space, parseArch(space, JSON.parse(arch))).peakMemoryBytes,
  };
}
