import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { maxArch, minArch } from '../space/arch.js';
import { makeCostTable } from '../space/cost-table.js';
import { archCosts } from '../space/costs.js';
import { countSubnets } from '../space/count.js';
import { lower } from '../space/lower.js';
import { parseSpace } from '../space/parse-space.js';
import { PUBLISHED_SPACES } from '../space/published.js';
import { parseArch } from '../space/reference-spelling.js';
import type { SearchSpace } from '../space/types.js';
import { EXIT, readJson } from './arguments.js';
import { formatCount, formatTable } from './format.js';
import type { Terminal } from './terminal.js';

/** A space that a bundle brings along, or a published one, which has no file. */
interface KnownSpace {
  readonly space: SearchSpace;
  readonly path?: string;
}

/** The spaces of the bundles in the model folders, then the published ones that none of them has. */
export async function knownSpaces(modelDirs: readonly string[]): Promise<KnownSpace[]> {
  const bundled = await bundledSpaces(modelDirs);
  const ids = new Set(bundled.map(({ space }) => space.id));
  return [...bundled, ...PUBLISHED_SPACES.filter(({ id }) => !ids.has(id)).map((space) => ({ space }))];
}

async function bundledSpaces(modelDirs: readonly string[]): Promise<KnownSpace[]> {
  const spaces: KnownSpace[] = [];
  for (const dir of modelDirs) {
    for (const folder of [dir, ...(await foldersIn(dir))]) {
      const path = join(folder, 'space.json');
      try {
        spaces.push({ space: parseSpace(await readJson(path), path), path });
      } catch (error) {
        // A folder without a space is no bundle; one with a broken space is refused by name when it is asked for.
        if (!(error instanceof BespokeError)) throw error;
      }
    }
  }
  return spaces;
}

async function foldersIn(dir: string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(dir, name));
  } catch {
    return [];
  }
}

/** A space by its id, or from a JSON file. @throws BespokeError `not-found` naming the known ones */
export async function resolveSpace(idOrFile: string, modelDirs: readonly string[]): Promise<SearchSpace> {
  if (idOrFile.endsWith('.json')) return parseSpace(await readJson(idOrFile), idOrFile);
  const known = await knownSpaces(modelDirs);
  const found = known.find(({ space }) => space.id === idOrFile);
  if (found !== undefined) return found.space;
  const ids = known.map(({ space }) => space.id).join(', ');
  throw new BespokeError('not-found', `there is no search space "${idOrFile}"; known are ${ids}, or give a .json file`);
}

/** `bespoke space list` */
export async function listSpaces(terminal: Terminal, modelDirs: readonly string[]): Promise<number> {
  const known = await knownSpaces(modelDirs);
  terminal.printJson(
    known.map(({ space, path }) => ({
      id: space.id,
      family: space.family,
      subnetCount: countSubnets(space).toString(),
      path,
    })),
  );
  const rows = known.map(({ space }) => [
    space.id,
    space.family,
    formatCountBig(countSubnets(space)),
    formatChoices(space.resolutions),
  ]);
  terminal.print(formatTable([['space', 'family', 'sub-networks', 'resolutions'], ...rows]));
  return EXIT.done;
}

const formatCountBig = (n: bigint): string => n.toLocaleString('en-US');

/** Resolutions and the like in few words: evenly spaced ones by their ends and step. */
function formatChoices(values: readonly number[]): string {
  const [first = 0, second = 0] = values;
  const step = second - first;
  const isEven = values.every((value, index) => value === first + index * step);
  return values.length > 4 && isEven ? `${first} to ${values[values.length - 1]} by ${step}` : values.join(' ');
}

/** What is elastic or differs by stage, one row each. */
function stageRows(space: SearchSpace): string[][] {
  if (space.family === 'resnet-d') {
    const { midWidths, widths, depths } = space.stem;
    return [
      ['', 'channels', 'stride', 'depths'],
      ['stem, middle', midWidths.join(' '), '2', depths.join(' ')],
      ['stem', widths.join(' '), '2', ''],
      ...space.stages.map((stage, index) => [
        `stage ${index}`,
        stage.widths.join(' '),
        String(stage.stride),
        stage.depths.join(' '),
      ]),
    ];
  }
  return [
    ['', 'channels', 'stride', 'activation', 'SE', 'depths'],
    ...space.stages.map(({ channels, stride, activation, squeezeExcite, depths }, index) => [
      `stage ${index}`,
      String(channels),
      String(stride),
      activation,
      squeezeExcite ? 'yes' : 'no',
      depths.join(' '),
    ]),
  ];
}

/** `bespoke space show SPACE` */
export async function showSpace(terminal: Terminal, space: SearchSpace): Promise<number> {
  const smallest = archCosts(space, minArch(space));
  const largest = archCosts(space, maxArch(space));
  const subnetCount = countSubnets(space);
  terminal.printJson({
    ...space,
    subnetCount: subnetCount.toString(),
    macs: { min: smallest.macs, max: largest.macs },
    params: { min: smallest.params, max: largest.params },
    modelBytes: { min: smallest.modelBytes, max: largest.modelBytes },
    peakMemoryBytes: { min: smallest.peakMemoryBytes, max: largest.peakMemoryBytes },
  });
  const isByIndex = space.family === 'resnet-d';
  terminal.print(`${space.id} (${space.family})`);
  terminal.print(
    `  sub-networks   ${subnetCount} (by active blocks${isByIndex ? ' and by index of widths' : ''}, resolution not counted)`,
  );
  terminal.print(`  kernel sizes   ${space.kernelSizes.join(' ')}`);
  terminal.print(`  expand ratios  ${space.expandRatios.join(' ')}`);
  terminal.print(`  resolutions    ${formatChoices(space.resolutions)}`);
  terminal.print(`  MACs           ${formatCount(smallest.macs)} to ${formatCount(largest.macs)}`);
  terminal.print(`  params         ${formatCount(smallest.params)} to ${formatCount(largest.params)}`);
  terminal.print(formatTable(stageRows(space)));
  return EXIT.done;
}

/** `bespoke count --space SPACE --arch FILE`: costs of one architecture or an array of them, in order. */
export async function countArchs(terminal: Terminal, space: SearchSpace, archFile: string): Promise<number> {
  const json = await readJson(archFile);
  const list: unknown[] = Array.isArray(json) ? json : [json];
  const where = archFile === '-' ? 'standard input' : archFile;
  const archs = list.map((item, index) =>
    parseArch(space, item, { anyResolution: true, where: `${where} [${index}]` }),
  );
  const costs = makeCostTable(space).all(archs);
  terminal.printJson(costs);
  const rows = costs.map((c, i) => [
    String(i),
    formatCount(c.macs),
    formatCount(c.params),
    formatCount(c.modelBytes),
    formatCount(c.peakMemoryBytes),
  ]);
  terminal.print(formatTable([['arch', 'MACs', 'params', 'model bytes', 'peak memory bytes'], ...rows]));
  const [only, ...others] = archs;
  if (only !== undefined && others.length === 0) {
    const layers = lower(space, only);
    const layerRows = layers.map((l) => [
      l.name,
      l.op,
      `${l.inChannels}>${l.outChannels}`,
      `${l.inSize}>${l.outSize}`,
      formatCount(l.macs),
    ]);
    terminal.print(`\n${formatTable([['layer', 'op', 'channels', 'size', 'MACs'], ...layerRows])}`);
  }
  return EXIT.done;
}
