import type { LayerSpec } from './types.js';

/** Bytes of one float32. */
const FLOAT_BYTES = 4;

/**
 * What a delivered ONNX file holds beside its initialisers' numbers, bytes; an upper bound.
 * `bytes` are those of a layer's nodes, attributes, tensor headers and name suffixes; `nameCopies` is how often the layer's name
 * stands in the file (initialisers, nodes, values, and once where the next layer reads it).
 * Taken from the exporter's files, largest of each kind; to be kept in step with it. A test compares with extracted models.
 */
const MODEL_BYTES_OVERHEAD = {
  /** Header, opsets, input and output, metadata with the arch of a space of about 20 slots. */
  file: 700,
  /** A class name in the metadata; longer ones on average would have to be thousands to matter. */
  className: 12,
  conv: { bytes: 161, nameCopies: 7 },
  depthwise: { bytes: 161, nameCopies: 7 },
  squeezeExcite: { bytes: 523, nameCopies: 27 },
  globalPool: { bytes: 92, nameCopies: 6 },
  maxPool: { bytes: 150, nameCopies: 3 },
  averagePool: { bytes: 150, nameCopies: 3 },
  linear: { bytes: 118, nameCopies: 7 },
  /** An activation's own nodes: hSwish is HardSigmoid and Mul, relu6 is Clip with two constants. */
  activation: {
    none: { bytes: 0, nameCopies: 0 },
    relu: { bytes: 37, nameCopies: 3 },
    relu6: { bytes: 172, nameCopies: 9 },
    hSwish: { bytes: 128, nameCopies: 7 },
  },
  /** The addition of a shortcut. */
  add: { bytes: 37, nameCopies: 4 },
} as const;

const NOTHING = { bytes: 0, nameCopies: 0 } as const;

/** A layer's share of the delivered ONNX file, bytes: its initialisers exactly, its nodes and names as an upper bound. */
export function layerModelBytes(layer: LayerSpec): number {
  const parts = [
    MODEL_BYTES_OVERHEAD[layer.op],
    MODEL_BYTES_OVERHEAD.activation['activation' in layer ? layer.activation : 'none'],
    'addFrom' in layer && layer.addFrom !== undefined ? MODEL_BYTES_OVERHEAD.add : NOTHING,
    MODEL_BYTES_OVERHEAD.activation[('sumActivation' in layer && layer.sumActivation) || 'none'],
  ];
  const overhead = parts.reduce((sum, { bytes, nameCopies }) => sum + bytes + nameCopies * layer.name.length, 0);
  return FLOAT_BYTES * layer.modelParams + overhead;
}

/** What the file holds once, bytes; an upper bound. */
export function fileModelBytes(classes: number): number {
  return MODEL_BYTES_OVERHEAD.file + MODEL_BYTES_OVERHEAD.className * classes;
}
