import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { BespokeError } from '../src/common/errors.js';
import { makeBlockTable } from '../src/space/block-table.js';
import type { Arch, ConvLayer, LayerSpec, SearchSpace } from '../src/space/types.js';

/** Resolutions that the published tables are there for. */
const TABLE_RESOLUTIONS = [160, 176, 192, 208, 224] as const;

type Table = Readonly<Record<string, { readonly mean: number }>>;

const map = (size: number, channels: number): string => `${size}x${size}x${channels}`;
const between = (name: string, from: string, to: string): string => `${name}-input:${from}-output:${to}`;

/** A block's key: its hidden width, kernel, stride and what else it has. */
function blockName(layers: readonly LayerSpec[]): string {
  const depthwise = layers.find((layer): layer is ConvLayer => layer.op === 'depthwise');
  const first = layers[0];
  const last = layers[layers.length - 1] as ConvLayer | undefined;
  if (depthwise === undefined || first === undefined || last === undefined) {
    throw new BespokeError('invalid-request', 'a block without a depthwise convolution');
  }
  const flag = (is: boolean): string => (is ? '1' : '0');
  const shape = between('expanded_conv', map(first.inSize, first.inChannels), map(last.outSize, last.outChannels));
  const has = [
    `idskip:${flag(last.addFrom !== undefined)}`,
    `se:${flag(layers.some(({ op }) => op === 'squeezeExcite'))}`,
    `hs:${flag(depthwise.activation === 'hSwish')}`,
  ].join('-');
  return `${shape}-expand:${depthwise.outChannels}-kernel:${depthwise.kernel}-stride:${depthwise.stride}-${has}`;
}

/** The keys of a group of layers in the published tables. */
function namesOf(layers: readonly LayerSpec[]): string[] {
  if (layers.some(({ op }) => op === 'depthwise')) return [blockName(layers)];
  return layers.map((layer) => {
    const [from, to] = [map(layer.inSize, layer.inChannels), map(layer.outSize, layer.outChannels)];
    if (layer.name === 'stem') return between('Conv', from, to);
    if (layer.name === 'finalExpand') return between('Conv_1', from, to);
    if (layer.name === 'featureMix') return between('Conv_2', from, to);
    if (layer.op === 'globalPool') return between('AvgPool2D', from, to);
    return between('Logits', from, `${layer.outChannels}`);
  });
}

/**
 * Latencies of the published Note10 tables, ms, summed over a network.
 * @param folder of `R_lookup_table.yaml`
 */
export function readNote10(space: SearchSpace, folder: string): (archs: readonly Arch[]) => Float64Array {
  const tables = new Map<number, Table>();
  for (const resolution of TABLE_RESOLUTIONS) {
    tables.set(resolution, parse(readFileSync(join(folder, `${resolution}_lookup_table.yaml`), 'utf8')) as Table);
  }
  const entries = new Map([...tables.values()].flatMap((table) => Object.entries(table)).map((entry) => entry));
  // Shapes tell most resolutions apart; where two share a shape (1 x 1 maps), the table of the arch's own resolution counts.
  const perResolution = new Map(
    [...tables].map(([resolution, table]) => {
      const msOf = (layers: readonly LayerSpec[]): number =>
        namesOf(layers).reduce((sum, name) => {
          const found = table[name] ?? entries.get(name);
          if (found === undefined) throw new BespokeError('no-latency-data', `the Note10 table has no "${name}"`);
          return sum + found.mean;
        }, 0);
      return [resolution, makeBlockTable(space, msOf)] as const;
    }),
  );
  return (archs) =>
    Float64Array.from(archs, (arch) => perResolution.get(arch.resolution)?.total([arch])[0] ?? Number.NaN);
}
