import { BespokeError } from '../common/errors.js';
import type { SearchSpace } from '../space/types.js';
import { type BlockLayers, distinctBlocks } from './blocks.js';
import { tableKey } from './latency-model.js';
import type { LookupEntries } from './lookup-table.js';
import { nearestResolutions } from './nearest.js';
import { profileRevision } from './profile-file.js';
import { keyFormOf, publishedKeys } from './published-keys.js';
import type { HardwareType, LatencyProfile, ProfileSource } from './types.js';

/** A table that was read, and the resolution that it is for. */
export interface ImportedTable extends ProfileSource {
  readonly entries: LookupEntries;
}

/** A table below this share of a space's keys is of another network; above it, it is one of the space with gaps. */
const MIN_SHARE = 0.5;
const METHOD = 'sums of the means of lookup tables in the published format, a table per resolution';

interface MissingKey {
  readonly key: string;
  readonly layers: BlockLayers;
}

/** A table held against a space: the time of each block by its key here, and what is missing. */
interface Held {
  readonly table: ImportedTable;
  readonly times: Readonly<Record<string, number>>;
  readonly needed: number;
  readonly missing: readonly MissingKey[];
}

const shareOf = ({ needed, missing }: Held): number => 1 - missing.length / needed;

function hold(space: SearchSpace, table: ImportedTable): Held {
  const { entries, resolution } = table;
  const form = keyFormOf(entries);
  const times: Record<string, number> = {};
  const needed = new Set<string>();
  const missing = new Map<string, MissingKey>();
  for (const layers of distinctBlocks(space, [resolution]).values()) {
    let sum = 0;
    for (const key of publishedKeys(space, layers, form)) {
      needed.add(key);
      const ms = entries.get(key);
      if (ms === undefined) missing.set(key, { key, layers });
      sum += ms ?? Number.NaN;
    }
    times[tableKey(resolution, layers)] = sum;
  }
  return { table, times, needed: needed.size, missing: [...missing.values()] };
}

/** What people call a group of layers. */
function nameOf(layers: BlockLayers): string {
  const [first] = layers;
  if (first?.stageIndex === undefined) {
    if (first?.name === 'stem') return 'the stem';
    return first?.name.startsWith('first.') ? 'the first block' : 'the head';
  }
  const kernel = layers.find(({ op }) => op === 'depthwise');
  const size =
    kernel?.op === 'depthwise' ? ` with kernel size ${kernel.kernel} and ${kernel.outChannels} channels` : '';
  return `stage ${first.stageIndex}, block ${first.blockIndex}${size}`;
}

function refuse(detail: string): never {
  throw new BespokeError('invalid-request', detail);
}

/** The error of tables that fit no space: they have gaps, or are of another network. */
function refuseGaps(space: SearchSpace, held: readonly Held[]): never {
  const gap = held.find(({ missing }) => missing.length > 0);
  const [missing] = gap?.missing ?? [];
  if (gap === undefined || missing === undefined) return refuse(`the tables do not fit "${space.id}"`);
  const { file, resolution } = gap.table;
  const found = gap.needed - gap.missing.length;
  if (shareOf(gap) < MIN_SHARE) {
    return refuse(
      `"${file}" is the table of another network: of the ${gap.needed} keys of "${space.id}" at ${resolution}, the nearest space known here, it has ${found}; --space FILE.json names a space of your own`,
    );
  }
  const others = gap.missing.length === 1 ? '' : ` (and ${gap.missing.length - 1} more keys)`;
  return refuse(
    `"${file}" has no time for ${nameOf(missing.layers)} of "${space.id}": the key "${missing.key}" is missing${others}`,
  );
}

/** Tables of different resolutions, each of which the space has. */
function assertResolutions({ id, resolutions }: SearchSpace, tables: readonly ImportedTable[]): void {
  const files = new Map<number, string>();
  for (const { file, resolution } of tables) {
    const other = files.get(resolution);
    if (other !== undefined) refuse(`"${other}" and "${file}" are both for the resolution ${resolution}; give one`);
    files.set(resolution, file);
    if (resolutions.includes(resolution)) continue;
    const nearest = nearestResolutions(resolutions, resolution).join(' and ');
    refuse(`"${file}" is for the resolution ${resolution}, which "${id}" does not have; the nearest are ${nearest}`);
  }
}

function profileOf(space: SearchSpace, held: readonly Held[], hardware: HardwareType): LatencyProfile {
  const tables = held.map(({ table }) => table).sort((a, b) => a.resolution - b.resolution);
  const figures = {
    schema: 1,
    hardware,
    spaceId: space.id,
    statistic: 'mean',
    method: METHOD,
    resolutions: tables.map(({ resolution }) => resolution),
    table: Object.assign({}, ...held.map(({ times }) => times)) as Record<string, number>, // of records of numbers
    scale: 1,
    offsetMs: 0,
  } as const;
  return {
    ...figures,
    revision: profileRevision(figures),
    sources: tables.map(({ file, sha256, resolution }) => ({ file, sha256, resolution })),
  };
}

/**
 * Makes a hardware type's latency model of lookup tables in the published format: a block's time is the sum of the means of its keys.
 * @param tables at least one, of different resolutions
 * @param spaces those that the tables may be of
 * @returns a profile for every space whose lowering asks for nothing but what the tables have
 * @throws BespokeError `invalid-request` if there is none: naming the first missing key and its block, or that the tables are of another network
 */
export function importTables(
  tables: readonly ImportedTable[],
  spaces: readonly SearchSpace[],
  hardware: HardwareType,
): LatencyProfile[] {
  const fits = spaces
    .filter(({ family }) => family === 'mobilenet-v3')
    .map((space) => ({ space, held: tables.map((table) => hold(space, table)) }));
  const whole = fits.filter(({ held }) => held.every(({ missing }) => missing.length === 0));
  if (whole.length > 0) {
    for (const { space } of whole) assertResolutions(space, tables);
    return whole.map(({ space, held }) => profileOf(space, held, hardware));
  }
  const shares = fits.map(({ held }) => held.reduce((sum, each) => sum + shareOf(each), 0));
  const nearest = fits[shares.indexOf(Math.max(...shares))];
  if (nearest !== undefined) return refuseGaps(nearest.space, nearest.held);
  const [space] = spaces;
  return refuse(`tables in the published format have inverted residuals alone, "${space?.id}" has bottlenecks`);
}
