import type { LayerSpec } from './types.js';

/** Bytes of one float32. */
const FLOAT_BYTES = 4;

/**
 * What a delivered ONNX file holds beside its initialisers' numbers, bytes; an upper bound.
 * `bytes` are those of a layer's nodes, attributes and tensor headers without names, `nameCopies` how often its name stands in the file
 * (initialisers, node inputs and outputs). To be kept in step with the exporter; a test compares with exported files.
 */
export const MODEL_BYTES_OVERHEAD = {
  /** Header, opsets, input and output, metadata. */
  file: 1_600,
  conv: { bytes: 180, nameCopies: 8 },
  depthwise: { bytes: 180, nameCopies: 8 },
  squeezeExcite: { bytes: 420, nameCopies: 20 },
  globalPool: { bytes: 100, nameCopies: 5 },
  linear: { bytes: 140, nameCopies: 8 },
  /** An activation of its own nodes: hSwish is HardSigmoid and Mul. */
  activation: {
    none: { bytes: 0, nameCopies: 0 },
    relu: { bytes: 24, nameCopies: 2 },
    relu6: { bytes: 48, nameCopies: 3 },
    hSwish: { bytes: 80, nameCopies: 5 },
  },
  /** The addition of a shortcut. */
  add: { bytes: 30, nameCopies: 3 },
} as const;

/** A layer's share of the delivered ONNX file, bytes: its initialisers exactly, its nodes and names as an upper bound. */
export function layerModelBytes(layer: LayerSpec): number {
  const own = MODEL_BYTES_OVERHEAD[layer.op];
  const activation = MODEL_BYTES_OVERHEAD.activation['activation' in layer ? layer.activation : 'none'];
  const add =
    'addFrom' in layer && layer.addFrom !== undefined ? MODEL_BYTES_OVERHEAD.add : { bytes: 0, nameCopies: 0 };
  const copies = own.nameCopies + activation.nameCopies + add.nameCopies;
  return FLOAT_BYTES * layer.modelParams + own.bytes + activation.bytes + add.bytes + copies * layer.name.length;
}
