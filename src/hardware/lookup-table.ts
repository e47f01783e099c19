import { parse } from 'yaml';
import { BespokeError } from '../common/errors.js';

/** Milliseconds by key, as a lookup table in the published format states them: the means. */
export type LookupEntries = ReadonlyMap<string, number>;

/** Longest text that is read, characters; the published tables have 15,000. */
const MAX_LENGTH = 4_000_000;
/** Characters of a given value that an error shows. */
const SHOWN = 60;

const EXAMPLE = 'Conv-input:224x224x3-output:112x112x24';
const KEY = /^(Conv|Conv_1|Conv_2|AvgPool2D|Logits|expanded_conv)-input:[0-9x]+-output:/;
const STEM_KEY = /^Conv-input:(\d+)x\1x/;

function refuse(where: string, detail: string, cause?: unknown): never {
  throw new BespokeError('invalid-request', `${where} is no latency lookup table: ${detail}`, {}, cause);
}

/** The value of a YAML text; JSON is YAML too. */
function parseText(text: string, where: string): unknown {
  if (text.length > MAX_LENGTH) refuse(where, `it has ${text.length} characters, read are up to ${MAX_LENGTH}`);
  if (text.trim() === '') refuse(where, 'it is empty');
  if (/^\s*<(!doctype|html|\?xml|head|body)/i.test(text)) {
    refuse(where, 'it is a web page; the address answered with a page instead of the file');
  }
  try {
    return parse(text) as unknown;
  } catch (cause) {
    const [first = ''] = (cause instanceof Error ? cause.message : '').split('\n');
    return refuse(where, `it is neither YAML nor JSON (${first.replace(/[:.]+$/, '')})`, cause);
  }
}

/** The mean of an entry: `{mean: ms}`, beside which `count` and `std` may stand. */
function meanOf(entry: unknown, key: string, where: string): number {
  const mean: unknown = typeof entry === 'object' && entry !== null ? Reflect.get(entry, 'mean') : undefined;
  if (typeof mean === 'number' && Number.isFinite(mean) && mean >= 0) return mean;
  const given = JSON.stringify(entry)?.slice(0, SHOWN);
  return refuse(where, `"${key}" must have a "mean" in milliseconds, of 0 or more, got ${given}`);
}

/**
 * Reads a latency lookup table in the format of the published Once-for-All code: keys of layers and blocks with `{mean: ms}` each.
 * @param text YAML, or JSON of the same shape
 * @param where the file, for errors
 * @throws BespokeError `invalid-request` saying what it is instead, or which entry has no time
 * Source: the published code's `latency_lookup_table.py`
 */
export function parseLookupTable(text: string, where: string): LookupEntries {
  const value = parseText(text, where);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse(where, `it holds ${JSON.stringify(value).slice(0, SHOWN)} instead of keys with times`);
  }
  const entries = Object.entries(value);
  const [stranger] = entries.find(([key]) => !KEY.test(key)) ?? [];
  if (stranger !== undefined)
    refuse(where, `it has the key "${stranger.slice(0, SHOWN)}"; keys look like "${EXAMPLE}"`);
  if (entries.length === 0) refuse(where, 'it is empty');
  return new Map(entries.map(([key, entry]) => [key, meanOf(entry, key, where)]));
}

/** Input sides of the stems that a table has times of. */
function stemSides(entries: LookupEntries): readonly number[] {
  return [...entries.keys()].flatMap((key) => {
    const side = STEM_KEY.exec(key)?.[1];
    return side === undefined ? [] : [Number(side)];
  });
}

/**
 * The resolution that a table is for: the number in its file's name that its stem's key has too. Where the name has no number, the stem's.
 * @param asked by the user; it counts then
 * @throws BespokeError `invalid-request` if name or user and table disagree, or nothing says it
 */
export function tableResolution(file: string, entries: LookupEntries, asked?: number): number {
  const sides = stemSides(entries);
  const has = sides.length === 0 ? 'it has no key of a stem' : `its stem is timed at ${sides.join(', ')}`;
  const disagree = (what: string, advice = '; --resolution N says which counts'): never => {
    throw new BespokeError('invalid-request', `"${file}" ${what}, but ${has}${advice}`);
  };
  if (asked !== undefined) {
    return sides.includes(asked) ? asked : disagree(`was given as the table of the resolution ${asked}`, '');
  }
  const named = (file.match(/\d+/g) ?? []).map(Number);
  const both = sides.filter((side) => named.includes(side));
  if (both.length === 1) return both[0] as number; // it is there
  if (named.length > 0 && both.length === 0) return disagree(`has ${named.join(' and ')} in its name`);
  const [side] = sides;
  if (side !== undefined && sides.length === 1) return side;
  return disagree('does not say its resolution in its name');
}
