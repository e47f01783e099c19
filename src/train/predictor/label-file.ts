import { existsSync } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { BespokeError } from '../../common/errors.js';
import { canonicalJson } from '../../common/hash.js';
import type { Arch, ArchId } from '../../space/types.js';
import type { ArchLabel } from './label.js';

/** Of the label files that are written and read; 1 had no soft top-1. */
export const LABEL_SCHEMA = 2;

/** The first line of a label file: what its labels hold for. A run resumes only a file with the same header. */
export interface LabelHeader {
  readonly schema: typeof LABEL_SCHEMA;
  readonly spaceId: string;
  readonly weightsSha256: string;
  /** Label images per architecture. */
  readonly images: number;
  readonly calibrationImages: number;
  readonly calibrationBatch: number;
}

/** Every further line. */
export interface LabelRow extends ArchLabel {
  readonly archId: ArchId;
  readonly arch: Arch;
}

export interface LabelFile {
  readonly header: LabelHeader;
  readonly rows: readonly LabelRow[];
}

function refuse(path: string, detail: string, cause?: unknown): never {
  throw new BespokeError('invalid-request', `the label file "${path}" cannot be used: ${detail}`, {}, cause);
}

function isHeader(value: unknown): value is LabelHeader {
  if (typeof value !== 'object' || value === null) return false;
  const numbers = ['images', 'calibrationImages', 'calibrationBatch'].map((name) => Reflect.get(value, name));
  return (
    Reflect.get(value, 'schema') === LABEL_SCHEMA &&
    typeof Reflect.get(value, 'spaceId') === 'string' &&
    typeof Reflect.get(value, 'weightsSha256') === 'string' &&
    numbers.every(Number.isSafeInteger)
  );
}

const isOlder = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Reflect.get(value, 'schema') === 1 &&
  Reflect.has(value, 'weightsSha256');

const isFraction = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= 1;

const isPair = (value: unknown): boolean => Array.isArray(value) && value.length === 2 && value.every(isFraction);

function isRow(value: unknown): value is LabelRow {
  if (typeof value !== 'object' || value === null) return false;
  return (
    typeof Reflect.get(value, 'archId') === 'string' &&
    typeof Reflect.get(value, 'arch') === 'object' &&
    isFraction(Reflect.get(value, 'top1')) &&
    isPair(Reflect.get(value, 'halves')) &&
    isPair(Reflect.get(value, 'soft'))
  );
}

function parseLine(path: string, line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    refuse(path, `line ${number} is not JSON`, cause);
  }
}

/** Text up to the last line's end: a run that was cut off may have left part of a line. */
const wholeLines = (text: string): string => text.slice(0, text.lastIndexOf('\n') + 1);

function parseText(path: string, text: string): LabelFile {
  const [first = '', ...lines] = wholeLines(text).split('\n').slice(0, -1);
  const header = parseLine(path, first, 1);
  if (isOlder(header)) {
    refuse(
      path,
      `its labels are of schema 1, without soft top-1; move it away, and sub-networks are measured again as schema ${LABEL_SCHEMA} has them`,
    );
  }
  if (!isHeader(header)) refuse(path, 'line 1 is not the header of a label file');
  const rows = lines.map((line, i) => {
    const row = parseLine(path, line, i + 2);
    if (!isRow(row)) refuse(path, `line ${i + 2} is not a label`);
    return row;
  });
  return { header, rows };
}

/** Reads a label file; an incomplete last line is left out. @throws BespokeError `invalid-request` naming the line */
export async function readLabels(path: string): Promise<LabelFile> {
  return parseText(path, await readFile(path, 'utf8'));
}

/** An open label file: the rows that were there, and a way to add more, each on the disk before the promise settles. */
export interface LabelAppender {
  readonly rows: readonly LabelRow[];
  append(row: LabelRow): Promise<void>;
  close(): Promise<void>;
}

async function appendSynced(file: FileHandle, line: string): Promise<void> {
  await file.appendFile(line);
  await file.datasync();
}

/**
 * Opens a label file to go on with, or makes it. An incomplete last line is cut off.
 * @throws BespokeError `invalid-request` if the file holds labels of something else
 */
export async function openLabels(path: string, header: LabelHeader): Promise<LabelAppender> {
  const text = existsSync(path) ? wholeLines(await readFile(path, 'utf8')) : '';
  const existing = text === '' ? undefined : parseText(path, text);
  if (existing !== undefined && canonicalJson(existing.header) !== canonicalJson(header)) {
    refuse(path, `it holds labels of ${canonicalJson(existing.header)}; wanted are ${canonicalJson(header)}`);
  }
  const file = await open(path, 'a');
  await file.truncate(Buffer.byteLength(text));
  if (existing === undefined) await appendSynced(file, `${JSON.stringify(header)}\n`);
  // Workers finish at any time: one line after another.
  let last: Promise<void> = Promise.resolve();
  return {
    rows: existing?.rows ?? [],
    append: (row) => {
      last = last.then(() => appendSynced(file, `${JSON.stringify(row)}\n`));
      return last;
    },
    close: () => file.close(),
  };
}
