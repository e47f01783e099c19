import { existsSync, readFileSync } from 'node:fs';
import { codeOf } from '../../src/cli/arguments.js';
import { BespokeError } from '../../src/common/errors.js';
import { canonicalJson } from '../../src/common/hash.js';
import { canonicalArch } from '../../src/space/arch.js';
import {
  type JsonObject,
  type NumberRule,
  readList,
  readNumber,
  readObject,
  refuseJson,
  wholeBetween,
} from '../../src/space/json-reader.js';
import { readJsonText } from '../../src/space/json-text.js';
import type { Arch } from '../../src/space/types.js';
import type { PlanNet } from './plan.js';

/** What one training alone gave, as it is kept when its folder is not: it depends on no weights of a supernet. */
export interface RecordedTraining {
  /** What tables call the network; it is found by `arch` and `macs`. */
  readonly name: string;
  /** Canonical. Its `spaceId` is the bundle's space or, of a hand-designed network, one that names its widths. */
  readonly arch: Arch;
  readonly macs: number;
  readonly seed: number;
  /** Images seen in training, counted once for each time. */
  readonly images: number;
  /** Name of the recipe. */
  readonly recipe: string;
  /** On all test images, 0..1. */
  readonly testTop1: number;
  /** Processor time of training, s. Absent: this and `lastTenth` are known as `RecordedMeans` alone. */
  readonly cpuSeconds?: number;
  /** Rise of held-out top-1 over the last tenth of the images, 0..1. */
  readonly lastTenth?: number;
  /** p50 of the network's graph when it was measured, one thread, batch 1: for the reader; tables time all networks anew, in turn. */
  readonly latencyMs?: number;
  /** When the test images were scored, ISO 8601: a day, or a moment. */
  readonly measuredAt: string;
  /** That trained. */
  readonly device: string;
  readonly versions: Readonly<Record<'bespoke' | 'onnxruntime' | 'node', string>>;
}

/** Means over the trainings without `cpuSeconds`, of which nothing but the mean is known. */
export interface RecordedMeans {
  /** That the means were taken over. */
  readonly trainings: number;
  readonly cpuSeconds: number;
  readonly lastTenth: number;
}

/** The file of trainings alone, `docs/figures/trained-alone.json`. */
export interface Recorded {
  readonly schema: 1;
  /** Of the images that all of them were trained on; see `ImageSource.fingerprint`. */
  readonly dataFingerprint: string;
  readonly means?: RecordedMeans;
  readonly trainings: readonly RecordedTraining[];
}

const FILE_KEYS = ['schema', 'dataFingerprint', 'means', 'trainings'] as const satisfies readonly (keyof Recorded)[];
const MEANS_KEYS = ['trainings', 'cpuSeconds', 'lastTenth'] as const satisfies readonly (keyof RecordedMeans)[];
const TRAINING_KEYS = [
  'name',
  'arch',
  'macs',
  'seed',
  'images',
  'recipe',
  'testTop1',
  'cpuSeconds',
  'lastTenth',
  'latencyMs',
  'measuredAt',
  'device',
  'versions',
] as const satisfies readonly (keyof RecordedTraining)[];

const COUNT = wholeBetween(1, Number.MAX_SAFE_INTEGER);
const SEED = wholeBetween(0, Number.MAX_SAFE_INTEGER);
const SHARE: NumberRule = { words: 'a share from 0 to 1', holds: (value) => value >= 0 && value <= 1 };
const CHANGE: NumberRule = { words: 'a share from -1 to 1', holds: (value) => value >= -1 && value <= 1 };
const POSITIVE: NumberRule = { words: 'a number above 0', holds: (value) => value > 0 && Number.isFinite(value) };
/** More block slots or stages than any space has; bounds the work a file can ask for. */
const MAX_SLOTS = 256;

function readText({ where, members }: JsonObject, key: string, rule = { words: 'a text', form: /./ }): string {
  const value = members[key];
  return typeof value === 'string' && rule.form.test(value) ? value : refuseJson(`${where}: ${key}`, rule.words, value);
}

const FINGERPRINT = { words: 'a sha256 in hex', form: /^[0-9a-f]{64}$/ };
const DAY = { words: 'a day or a moment in ISO 8601', form: /^\d{4}-\d\d-\d\d(T[\d:.]+Z)?$/ };

function readNumbers(object: JsonObject, key: string): readonly number[] {
  return readList(object, key, MAX_SLOTS).map((value) =>
    typeof value === 'number' ? value : refuseJson(`${object.where}: ${key}`, 'a list of numbers', object.members[key]),
  );
}

/** Its values are compared with those of networks, which lie in their spaces; so they are not checked against one here. */
function readArch(json: unknown, where: string): Arch {
  const keys = ['spaceId', 'kernelSizes', 'expandRatios', 'depths', 'widthIndices', 'resolution'];
  const object = readObject(json, where, keys);
  return {
    spaceId: readText(object, 'spaceId'),
    kernelSizes: readNumbers(object, 'kernelSizes'),
    expandRatios: readNumbers(object, 'expandRatios'),
    depths: readNumbers(object, 'depths'),
    ...(object.members.widthIndices === undefined ? {} : { widthIndices: readNumbers(object, 'widthIndices') }),
    resolution: readNumber(object, 'resolution', COUNT),
  };
}

function readTraining(json: unknown, where: string): RecordedTraining {
  const object = readObject(json, where, TRAINING_KEYS);
  const versions = readObject(object.members.versions, `${where}: versions`, ['bespoke', 'onnxruntime', 'node']);
  const known = (key: 'cpuSeconds' | 'lastTenth' | 'latencyMs', rule: NumberRule) =>
    object.members[key] === undefined ? {} : { [key]: readNumber(object, key, rule) };
  return {
    name: readText(object, 'name'),
    arch: readArch(object.members.arch, `${where}: arch`),
    macs: readNumber(object, 'macs', COUNT),
    seed: readNumber(object, 'seed', SEED),
    images: readNumber(object, 'images', COUNT),
    recipe: readText(object, 'recipe'),
    testTop1: readNumber(object, 'testTop1', SHARE),
    ...known('cpuSeconds', POSITIVE),
    ...known('lastTenth', CHANGE),
    ...known('latencyMs', POSITIVE),
    measuredAt: readText(object, 'measuredAt', DAY),
    device: readText(object, 'device'),
    versions: {
      bespoke: readText(versions, 'bespoke'),
      onnxruntime: readText(versions, 'onnxruntime'),
      node: readText(versions, 'node'),
    },
  };
}

function readMeans(json: unknown, where: string): RecordedMeans {
  const object = readObject(json, where, MEANS_KEYS);
  return {
    trainings: readNumber(object, 'trainings', COUNT),
    cpuSeconds: readNumber(object, 'cpuSeconds', POSITIVE),
    lastTenth: readNumber(object, 'lastTenth', CHANGE),
  };
}

/** What makes two trainings the same one: the later measurement takes the other's place. */
function keyOf({ arch, macs, seed, images, recipe }: RecordedTraining): string {
  return canonicalJson({ arch, macs, seed, images, recipe });
}

/**
 * Takes the file's text apart.
 * @param file what errors call it
 * @throws BespokeError `invalid-request`, naming line and member
 */
export function parseRecorded(text: string, file: string): Recorded {
  return readJsonText(text, file, (json, where) => {
    const object = readObject(json, where, FILE_KEYS);
    readNumber(object, 'schema', wholeBetween(1, 1));
    const { means, trainings } = object.members;
    if (!Array.isArray(trainings)) refuseJson(`${where}: trainings`, 'a list', trainings);
    const recorded: Recorded = {
      schema: 1,
      dataFingerprint: readText(object, 'dataFingerprint', FINGERPRINT),
      ...(means === undefined ? {} : { means: readMeans(means, `${where}: means`) }),
      trainings: trainings.map((one: unknown, index) => readTraining(one, `${where}: trainings[${index}]`)),
    };
    const keys = recorded.trainings.map(keyOf);
    const twice = keys.findIndex((key, index) => keys.indexOf(key) < index);
    if (twice >= 0) refuseJson(`${where}: trainings[${twice}]`, 'given once', recorded.trainings[twice]?.name);
    return recorded;
  });
}

/**
 * Reads the file of trainings on the images of a bundle.
 * @param fingerprint of those images
 * @throws BespokeError `invalid-request` if it cannot be read, `conflict` if its trainings are on other images
 */
export function readRecorded(path: string, fingerprint: string): Recorded {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new BespokeError('invalid-request', `"${path}" cannot be read (${codeOf(cause)})`, {}, cause);
  }
  const recorded = parseRecorded(text, path);
  if (recorded.dataFingerprint === fingerprint) return recorded;
  throw new BespokeError(
    'conflict',
    `${path} has trainings on the images ${recorded.dataFingerprint}; the supernet was trained on ${fingerprint}`,
  );
}

/** Reads the file to add to it; one that is not there yet begins empty. @throws BespokeError as `readRecorded` */
export function readOrBegin(path: string, fingerprint: string): Recorded {
  return existsSync(path)
    ? readRecorded(path, fingerprint)
    : { schema: 1, dataFingerprint: fingerprint, trainings: [] };
}

/** The file's text: one training a line. */
export function formatRecorded({ trainings, ...head }: Recorded): string {
  const members = Object.entries(head).map(([name, value]) => `  "${name}": ${JSON.stringify(value)},\n`);
  const lines = trainings.map((training) => `    ${JSON.stringify(training)}`);
  return `{\n${members.join('')}  "trainings": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

/** How networks are trained alone now: what recorded trainings have to agree with. */
export interface AloneTerms {
  readonly images: number;
  readonly recipe: string;
}

/** The trainings on as many images by the recipe of that name. */
export function onTerms(recorded: Recorded, { images, recipe }: AloneTerms): Recorded {
  const trainings = recorded.trainings.filter((one) => one.images === images && one.recipe === recipe);
  return { ...recorded, trainings };
}

/** The training of a network with a seed, if it is recorded; the MACs differ where another space has the name now. */
export function findRecorded(
  { trainings }: Recorded,
  { space, arch, macs }: Pick<PlanNet, 'space' | 'arch' | 'macs'>,
  seed: number,
): RecordedTraining | undefined {
  const wanted = canonicalJson(canonicalArch(space, arch));
  return trainings.find((one) => one.seed === seed && one.macs === macs && canonicalJson(one.arch) === wanted);
}

/** The file with what was measured now: in the place of the same training measured earlier, or at the end. */
export function mergeRecorded(earlier: Recorded, measured: readonly RecordedTraining[]): Recorded {
  const byKey = new Map([...earlier.trainings, ...measured].map((training) => [keyOf(training), training]));
  return { ...earlier, trainings: [...byKey.values()] };
}
