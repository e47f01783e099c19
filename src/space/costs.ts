import { lower } from './lower.js';
import { fileModelBytes, layerModelBytes } from './model-bytes.js';
import { peakActivationElements } from './peak-memory.js';
import type { Arch, ArchCosts, LayerSpec, SearchSpace } from './types.js';

/** Bytes of one float32 activation. */
export const ACTIVATION_BYTES = 4;

/** Sum of a per-layer figure. */
export function sumOver(layers: readonly LayerSpec[], figure: (layer: LayerSpec) => number): number {
  return layers.reduce((sum, layer) => sum + figure(layer), 0);
}

/** The exact costs of an architecture, from its layers alone: MACs and memory at batch 1. */
export function archCosts(space: SearchSpace, arch: Arch): ArchCosts {
  const layers = lower(space, arch);
  return {
    macs: sumOver(layers, (layer) => layer.macs),
    params: sumOver(layers, (layer) => layer.params),
    modelParams: sumOver(layers, (layer) => layer.modelParams),
    modelBytes: fileModelBytes(space.classes) + sumOver(layers, layerModelBytes),
    peakMemoryBytes: ACTIVATION_BYTES * peakActivationElements(layers),
  };
}
