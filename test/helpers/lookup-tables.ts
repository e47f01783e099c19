import { makeRng } from '../../src/common/rng.js';
import type { Arch, MobileNetV3Space, SearchSpace } from '../../src/space/types.js';

/**
 * Lookup tables as the published code keys them, walked here from its rules and not from this project's lowering: stem, fixed first block,
 * stages, then the head. `ratio` is the ProxylessNAS tables' form.
 */
export type TableForm = 'hidden' | 'ratio';

const shape = (side: number, channels: number): string => `${side}x${side}x${channels}`;

/** The published families are all MobileNets. */
export function mobile(space: SearchSpace): MobileNetV3Space {
  if (space.family !== 'mobilenet-v3') throw new Error(`${space.id} is no MobileNet`);
  return space;
}

interface Walked {
  readonly side: number;
  readonly channels: number;
}

interface WalkedBlock {
  readonly kernel: number;
  readonly ratio: number;
  readonly stride: number;
  readonly channels: number;
  readonly se: boolean;
  readonly hs: boolean;
}

function walkBlock(from: Walked, block: WalkedBlock, form: TableForm): [string, Walked] {
  const { kernel, ratio, stride, channels, se, hs } = block;
  const side = Math.floor((from.side - 1) / stride) + 1;
  const skip = Number(stride === 1 && from.channels === channels);
  const width = form === 'ratio' ? ratio : from.channels * ratio;
  const tail = form === 'ratio' ? '' : `-se:${Number(se)}-hs:${Number(hs)}`;
  const key = `expanded_conv-input:${shape(from.side, from.channels)}-output:${shape(side, channels)}-expand:${width}-kernel:${kernel}-stride:${stride}-idskip:${skip}${tail}`;
  return [key, { side, channels }];
}

function headKeys(space: MobileNetV3Space, { side, channels }: Walked, form: TableForm): string[] {
  const expand = space.finalExpand?.channels ?? 0;
  const conv = `Conv_1-input:${shape(side, channels)}-output:${shape(side, expand)}`;
  if (form === 'ratio') return [conv, `Logits-input:${shape(side, expand)}-output:${space.classes}`];
  const mix = space.featureMix?.channels ?? 0;
  return [
    conv,
    `AvgPool2D-input:${shape(side, expand)}-output:${shape(1, expand)}`,
    `Conv_2-input:${shape(1, expand)}-output:${shape(1, mix)}`,
    `Logits-input:${shape(1, mix)}-output:${space.classes}`,
  ];
}

/** The keys whose means make an architecture's latency, in the published order. */
function walkedKeys(space: MobileNetV3Space, arch: Arch, form: TableForm): string[] {
  const half = Math.floor((arch.resolution + 1) / 2);
  const keys = [`Conv-input:${shape(arch.resolution, 3)}-output:${shape(half, space.stem.channels)}`];
  let at: Walked = { side: half, channels: space.stem.channels };
  const step = (block: WalkedBlock): void => {
    const [key, next] = walkBlock(at, block, form);
    keys.push(key);
    at = next;
  };
  const first = space.firstBlock?.channels ?? 0;
  step({ kernel: 3, ratio: 1, stride: 1, channels: first, se: false, hs: false });
  let slot = 0;
  space.stages.forEach(({ channels, stride, squeezeExcite, activation, depths }, stage) => {
    for (let index = 0; index < (arch.depths[stage] ?? 0); index++) {
      const [kernel = 0, ratio = 0] = [arch.kernelSizes[slot + index], arch.expandRatios[slot + index]];
      const hs = activation === 'hSwish';
      step({ kernel, ratio, stride: index === 0 ? stride : 1, channels, se: squeezeExcite, hs });
    }
    slot += depths.at(-1) ?? 0;
  });
  return [...keys, ...headKeys(space, at, form)];
}

/** Every uniform architecture of full depth: together they have every key of a resolution. */
function uniformArchs(space: MobileNetV3Space, resolution: number): Arch[] {
  const slots = space.stages.reduce((sum, { depths }) => sum + (depths.at(-1) ?? 0), 0);
  const depths = space.stages.map((stage) => stage.depths.at(-1) ?? 0);
  return space.kernelSizes.flatMap((kernel) =>
    space.expandRatios.map((ratio) => ({
      spaceId: space.id,
      kernelSizes: new Array<number>(slots).fill(kernel),
      expandRatios: new Array<number>(slots).fill(ratio),
      depths,
      resolution,
    })),
  );
}

/** A table of one resolution with made-up means, complete for a space. */
export function madeUpTable(space: MobileNetV3Space, resolution: number, form: TableForm): Map<string, number> {
  const rng = makeRng(resolution);
  const table = new Map<string, number>();
  for (const arch of uniformArchs(space, resolution)) {
    for (const key of walkedKeys(space, arch, form)) if (!table.has(key)) table.set(key, 0.05 + rng.next());
  }
  return table;
}

/** Such a table as a file's text. */
export function tableText(table: ReadonlyMap<string, number>): string {
  return [...table].map(([key, mean]) => `${key}:\n  count: 50\n  mean: ${mean}\n  std: 0.01\n`).join('');
}

/** An architecture's latency by tables per resolution, as the published code adds it up. */
export function walkedLatency(
  space: MobileNetV3Space,
  arch: Arch,
  { tables, form }: { readonly tables: ReadonlyMap<number, ReadonlyMap<string, number>>; readonly form: TableForm },
): number {
  const table = tables.get(arch.resolution);
  return walkedKeys(space, arch, form).reduce((sum, key) => sum + (table?.get(key) ?? Number.NaN), 0);
}
