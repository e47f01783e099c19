import { describe, expect, it } from 'vitest';
import { archCosts } from '../../../src/space/costs.js';
import { parseArch } from '../../../src/space/reference-spelling.js';
import type { Arch, SearchSpace } from '../../../src/space/types.js';
import { hasReference, referenceJson } from '../../helpers/reference.js';
import { MBV3_W10, MBV3_W12, PROXYLESS } from './published-spaces.js';

interface PublishedBlock {
  readonly cout: number;
  readonly k: number;
  readonly e: number;
}

/** A specialized network as it was published, told in the reference data's README. */
interface PublishedNetwork {
  readonly id: string;
  readonly resolution: number;
  readonly first: number;
  readonly expand: number | null;
  readonly blocks: readonly PublishedBlock[];
  readonly macsM: number;
  readonly paramsM: number;
}

/** The published table's own slips: these do not round to it when counted from their own blocks. In millions, from the reference data. */
const SLIPS: Readonly<Record<string, number>> = { 'note10_lat-8ms': 75.8, 'note10_lat-16ms': 162.46 };

function spaceOf(network: PublishedNetwork): SearchSpace {
  if (network.expand === null) return PROXYLESS;
  return network.expand === 960 ? MBV3_W10 : MBV3_W12;
}

/** The architecture that has these blocks: its stages are told apart by their channels. */
function archOf(space: SearchSpace, { blocks, resolution }: PublishedNetwork): Arch {
  if (space.family !== 'mobilenet-v3') throw new Error('only MobileNets were published');
  const slots = space.stages.map(({ channels, depths }) => {
    const stage = blocks.slice(1).filter(({ cout }) => cout === channels);
    const padded = Array.from({ length: depths.at(-1) ?? 0 }, (_, index) => stage[index] ?? { k: 3, e: 3 });
    return { depth: stage.length, padded };
  });
  const padded = slots.flatMap((stage) => stage.padded);
  const arch = { kernelSizes: padded.map(({ k }) => k), expandRatios: padded.map(({ e }) => e) };
  const depths = slots.map(({ depth }) => depth);
  return parseArch(space, { ...arch, depths, resolution }, { anyResolution: true });
}

describe.skipIf(!hasReference('official/published.json'))('networks that were published with their costs', () => {
  const networks = hasReference('official/published.json')
    ? (referenceJson('official/published.json') as readonly PublishedNetwork[])
    : [];

  it.each(networks)('$id', (network) => {
    const space = spaceOf(network);
    const { macs, params } = archCosts(space, archOf(space, network));
    const slip = Object.entries(SLIPS).find(([id]) => network.id.startsWith(`${id}_`))?.[1];
    if (slip === undefined) expect(Math.round(macs / 1e6)).toBe(network.macsM);
    else expect(Math.round(macs / 1e4) / 100).toBe(slip);
    expect(Math.round(params / 1e5) / 10).toBe(network.paramsM);
  });
});
