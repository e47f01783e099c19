import { BespokeError } from '../common/errors.js';
import type { Sha256 } from '../common/hash.js';
import { type JsonObject, readChoice, readList, readNumber, readObject, refuseJson } from '../space/json-reader.js';
import type { InputSpec } from './types.js';

/** `bundle.json`: what a bundle is called, and the sha256 of every other file of its folder that belongs to it. */
export interface BundleCard {
  readonly schema: 1;
  readonly id: string;
  readonly title: string;
  readonly files: Readonly<Record<string, Sha256>>;
  readonly input: InputSpec;
  readonly classNames: readonly string[];
  /** Figures of the model card; free-form JSON. */
  readonly figures: Readonly<Record<string, unknown>>;
}

/** Names that stand in URLs and file names alike. */
const ID_PATTERN = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** Files lie in the bundle's own folder: no path leads out of it. */
const FILE_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const SHA_PATTERN = /^[0-9a-f]{64}$/;
/** More classes than any data set has. */
const MAX_CLASSES = 1_000_000;

const finite = { words: 'a number', holds: Number.isFinite };
const positive = { words: 'a number above 0', holds: (value: number) => Number.isFinite(value) && value > 0 };

function readText(object: JsonObject, key: string, pattern?: RegExp): string {
  const value = object.members[key];
  if (typeof value === 'string' && value !== '' && (pattern?.test(value) ?? true)) return value;
  return refuseJson(
    `${object.where}.${key}`,
    pattern === undefined ? 'a text' : `a text like ${pattern.source}`,
    value,
  );
}

/** A list of numbers, of a length that is known. */
function readNumbers(object: JsonObject, key: string, length: number, rule = finite): number[] {
  const list = readList(object, key, length);
  const numbers = list.map((value) => (typeof value === 'number' ? value : Number.NaN));
  if (numbers.length === length && numbers.every(rule.holds)) return numbers;
  return refuseJson(`${object.where}.${key}`, `a list of ${length} entries, each ${rule.words}`, list);
}

/**
 * Reads how an image becomes a network's input, from `bundle.json` or from a model's `bespoke.input`; further members are let be.
 * @throws BespokeError `invalid-request`, naming the member
 */
export function parseInputSpec(json: unknown, where: string): InputSpec {
  const object = readObject(json, where);
  const channelOrder = readChoice(object, 'channelOrder', ['grey', 'rgb']);
  const channels = channelOrder === 'grey' ? 1 : 3;
  const wanted = { words: `${channels}, as the channel order says`, holds: (value: number) => value === channels };
  const [low, high] = readNumbers(object, 'range', 2) as [number, number]; // of length 2 by the call
  if (object.members.antialias !== true) refuseJson(`${where}.antialias`, 'true', object.members.antialias);
  return {
    channels: readNumber(object, 'channels', wanted),
    channelOrder,
    range: [low, high],
    mean: readNumbers(object, 'mean', channels),
    std: readNumbers(object, 'std', channels, positive),
    resize: readChoice(object, 'resize', ['bilinear']),
    antialias: true,
    cropFraction: readNumber(object, 'cropFraction', {
      words: 'a number above 0, at most 1',
      holds: (value) => value > 0 && value <= 1,
    }),
  };
}

function readFiles(json: unknown, where: string): Record<string, Sha256> {
  const files = Object.entries(readObject(json, where).members).map(([name, sha]): [string, Sha256] => {
    if (!FILE_PATTERN.test(name)) refuseJson(`a name in ${where}`, 'that of a file in the same folder', name);
    if (typeof sha !== 'string' || !SHA_PATTERN.test(sha)) refuseJson(`${where}["${name}"]`, 'a sha256 in hex', sha);
    return [name, sha as Sha256]; // the pattern is what the brand means
  });
  return Object.fromEntries(files);
}

/** Reads a file of JSON. @throws BespokeError `bundle-invalid` */
export function parseJson(bytes: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new BespokeError('bundle-invalid', `${where} is not JSON`, {}, cause);
  }
}

/** Reads `bundle.json`. @throws BespokeError naming the member and what it must be */
export function parseBundleCard(bytes: Uint8Array, where: string): BundleCard {
  const json = parseJson(bytes, where);
  const object = readObject(json, where);
  readNumber(object, 'schema', { words: '1', holds: (value) => value === 1 });
  const classNames = readList(object, 'classNames', MAX_CLASSES).map((name, i) =>
    typeof name === 'string' ? name : refuseJson(`${where}.classNames[${i}]`, 'a text', name),
  );
  return {
    schema: 1,
    id: readText(object, 'id', ID_PATTERN),
    title: readText(object, 'title'),
    files: readFiles(object.members.files, `${where}.files`),
    input: parseInputSpec(object.members.input, `${where}.input`),
    classNames,
    figures: readObject(object.members.figures ?? {}, `${where}.figures`).members,
  };
}
