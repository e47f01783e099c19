import { type BlockTable, makeBlockTables } from './block-table.js';
import { ACTIVATION_BYTES, sumOver } from './costs.js';
import { fileModelBytes, layerModelBytes } from './model-bytes.js';
import { peakActivationElements } from './peak-memory.js';
import type { Arch, ArchCosts, SearchSpace } from './types.js';

/** The costs of many architectures at once, exactly equal to `archCosts`, by table look-up. */
export interface CostTable {
  macs(archs: readonly Arch[]): Float64Array;
  params(archs: readonly Arch[]): Float64Array;
  modelBytes(archs: readonly Arch[]): Float64Array;
  peakMemoryBytes(archs: readonly Arch[]): Float64Array;
  /** The four together, a record per arch. */
  all(archs: readonly Arch[]): Omit<ArchCosts, 'modelParams'>[];
}

/**
 * Makes the cost table of a space; its entries come from `lower()`, there is no second formula.
 * Peak memory combines by maximum: at a block's border only what enters the block is held, so blocks peak independently.
 */
export function makeCostTable(space: SearchSpace): CostTable {
  const tables = makeBlockTables(space, [
    { perBlock: (layers) => sumOver(layers, (layer) => layer.macs), combine: 'sum' },
    { perBlock: (layers) => sumOver(layers, (layer) => layer.params), combine: 'sum' },
    { perBlock: (layers) => sumOver(layers, layerModelBytes), combine: 'sum' },
    { perBlock: (layers) => ACTIVATION_BYTES * peakActivationElements(layers), combine: 'max' },
  ]);
  const [macs, params, bytes, peak] = tables as [BlockTable, BlockTable, BlockTable, BlockTable]; // one per figure
  const table = {
    macs: macs.total,
    params: params.total,
    modelBytes: (archs: readonly Arch[]) => bytes.total(archs).map((figure) => figure + fileModelBytes(space.classes)),
    peakMemoryBytes: peak.total,
  };
  return {
    ...table,
    all: (archs) => {
      const columns = [table.macs(archs), table.params(archs), table.modelBytes(archs), table.peakMemoryBytes(archs)];
      return archs.map((_, row) => {
        const [macs, params, modelBytes, peakMemoryBytes] = columns.map((column) => column[row]!) as Row;
        return { macs, params, modelBytes, peakMemoryBytes };
      });
    },
  };
}

/** One arch's entry of each of the four columns. */
type Row = [number, number, number, number];
