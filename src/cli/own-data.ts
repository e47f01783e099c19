import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { canonicalJson } from '../common/hash.js';
import type { WorkOptions } from '../common/work.js';
import { downloadFashionMnist, findFashionMnist } from '../data/fashion-mnist.js';
import type { ImageSource, SkippedImage } from '../data/image-source.js';
import { openImages } from '../data/open-images.js';
import type { Splits } from '../data/splits.js';
import { TEMPLATE_SIZES, templateSpace } from '../space/template.js';
import type { SearchSpace } from '../space/types.js';
import { DATA_RECORD_FILE, type DataRecord, parseDataRecord } from '../train/data-record.js';
import { type DataChoices, type ReadTrainingData, readTrainingData } from '../train/training-data.js';
import { readJson } from './arguments.js';
import { formatCount, formatTable } from './format.js';
import type { Terminal } from './terminal.js';

/** Where a download goes without `--data`. */
const DOWNLOAD_DIR = 'data/fashion-mnist';
/** Largest side of a space that is made without being asked for one: what a CPU trains in reasonable time. */
const MOST_DEFAULT_SIZE = 64;
/** Names that a remark lists before it counts the rest. */
const SHOWN_NAMES = 5;
/** Classes that a table lists before it counts the rest. */
const SHOWN_CLASSES = 40;

/** Which images a command reads. */
export interface SourceOptions {
  readonly data?: string | undefined;
  /** Base URL of Fashion-MNIST's four files, fetched into `data` and checked against their hashes. */
  readonly download?: string | undefined;
}

/**
 * Opens the images of `--data`; without it, Fashion-MNIST where Debian's package puts it.
 * @param classes of labels that are numbers, so many; as many as there are unless told
 */
export async function openSource(options: SourceOptions, classes?: number, work?: WorkOptions): Promise<ImageSource> {
  const { data, download } = options;
  if (download !== undefined) return openImages(await downloadFashionMnist(download, data ?? DOWNLOAD_DIR), classes);
  return openImages(data ?? findFashionMnist([]), classes, work?.signal);
}

/**
 * A space of the template's form for images: of their usual side up to {@link MOST_DEFAULT_SIZE}, unless a size is asked for.
 * Its id tells what it is, after `name` if there is one: latency profiles are kept under it.
 */
export async function spaceFor(
  source: ImageSource,
  { id, name, size }: { readonly id?: string | undefined; readonly name?: string; readonly size?: number | undefined },
): Promise<SearchSpace> {
  const shape = await source.shape();
  const fitting = Math.max(TEMPLATE_SIZES.least, Math.min(shape.side, MOST_DEFAULT_SIZE));
  const made = templateSpace({
    classes: source.classNames.length,
    channels: shape.channels,
    size: size ?? fitting,
    id,
  });
  return name === undefined ? made : { ...made, id: `${name.slice(0, 64 - made.id.length - 1)}-${made.id}` };
}

/** The images of every class in each part. */
export function splitTable(source: ImageSource, { train, selection, verification }: Splits): string {
  const { labels } = source.pool;
  const countOf = (indices: ArrayLike<number>, of: Uint8Array): number[] => {
    const counts = new Array<number>(source.classNames.length).fill(0);
    for (let i = 0; i < indices.length; i++) {
      const label = of[indices[i] ?? 0] ?? 0;
      counts[label] = (counts[label] ?? 0) + 1;
    }
    return counts;
  };
  const columns = [train, selection, verification].map((indices) => countOf(indices, labels));
  if (source.test !== undefined) {
    const { labels: of } = source.test;
    columns.push(countOf(Array.from(of.keys()), of));
  }
  const head = ['', 'train', 'selection', 'verification', ...(source.test === undefined ? [] : ['test'])];
  const row = (name: string, pick: (counts: readonly number[]) => number): string[] => [
    name,
    ...columns.map((counts) => formatCount(pick(counts))),
  ];
  const rows = source.classNames
    .slice(0, SHOWN_CLASSES)
    .map((name, label) => row(name, (counts) => counts[label] ?? 0));
  const rest = source.classNames.length - SHOWN_CLASSES;
  if (rest > 0) rows.push([`and ${rest} more`]);
  return formatTable([head, ...rows, row('all', (counts) => counts.reduce((sum, count) => sum + count, 0))]);
}

/** Says on stderr what was left out. */
export function noteSkipped(terminal: Terminal, source: ImageSource, skipped: readonly SkippedImage[]): void {
  for (const note of source.notes) terminal.note(note);
  noteSkippedFiles(terminal, skipped);
}

/** Says on stderr which image files could not be read. */
export function noteSkippedFiles(terminal: Terminal, skipped: readonly SkippedImage[]): void {
  if (skipped.length === 0) return;
  terminal.note(`${skipped.length} images cannot be read and are left out:`);
  for (const { name, reason } of skipped.slice(0, SHOWN_NAMES)) terminal.note(`  ${name}: ${reason}`);
  if (skipped.length > SHOWN_NAMES) terminal.note(`  and ${skipped.length - SHOWN_NAMES} more`);
}

/** Reads what training needs, with a bar, and says what it found. */
export async function readForTraining(
  terminal: Terminal,
  source: ImageSource,
  space: SearchSpace,
  { signal, ...choices }: DataChoices & Pick<WorkOptions, 'signal'>,
): Promise<ReadTrainingData> {
  const read = await readTrainingData(source, space, choices, {
    signal,
    onProgress: (progress) => terminal.progress('reading images', progress),
  });
  terminal.endProgress();
  noteSkipped(terminal, source, read.skipped);
  terminal.note(splitTable(source, read.splits));
  return read;
}

/** The record of a run's folder; undefined if it has none. @throws BespokeError `invalid-request` if it is broken */
export async function loadRecord(runDir: string): Promise<DataRecord | undefined> {
  const path = join(runDir, DATA_RECORD_FILE);
  const isThere = await readFile(path).then(
    () => true,
    () => false,
  );
  return isThere ? parseDataRecord(await readJson(path), path) : undefined;
}

/**
 * Leaves the record of a run in its folder, or checks the one that is there: a run goes on with the images it was begun with.
 * @throws BespokeError `conflict` if they differ
 */
export async function keepRecord(runDir: string, record: DataRecord): Promise<void> {
  const found = await loadRecord(runDir);
  if (found === undefined) {
    await mkdir(runDir, { recursive: true });
    await writeFile(join(runDir, DATA_RECORD_FILE), `${JSON.stringify(record, undefined, 2)}\n`);
    return;
  }
  const differing = (Object.keys(record) as (keyof DataRecord)[]).filter(
    (key) => canonicalJson(found[key]) !== canonicalJson(record[key]),
  );
  if (differing.length === 0) return;
  throw new BespokeError(
    'conflict',
    `${runDir} holds a run on other images or another split (${differing.join(', ')} differ); ` +
      'give the same --data and choices, or another --out',
  );
}
