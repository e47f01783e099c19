import { BespokeError } from '../common/errors.js';
import { FASHION_MNIST_CLASSES, FASHION_MNIST_FINGERPRINT, FASHION_MNIST_INPUT } from '../data/fashion-mnist.js';
import type { ImageSource } from '../data/image-source.js';
import { FASHION_MNIST_PLAN, type SplitPlan } from '../data/splits.js';
import { readChoice, readNumber, readObject, refuseJson, wholeBetween } from '../space/json-reader.js';
import { parseInputSpec } from '../supernet/bundle-card.js';
import type { Bundle } from '../supernet/types.js';
import type { InputSpec } from '../tensor/image-set.js';

/** Name of the record in a run's folder. */
export const DATA_RECORD_FILE = 'data.json';
/** Name of the record among the figures of a bundle. */
export const DATA_FIGURE = 'data';

/** Which images a supernet was trained on, and how they were read: what keeps held-out images held out afterwards. */
export interface DataRecord {
  readonly schema: 1;
  readonly layout: string;
  /** Of the images that were split; see `ImageSource.fingerprint`. */
  readonly fingerprint: string;
  readonly plan: SplitPlan;
  /** What files of any size were brought to, pixels. */
  readonly side: number;
  readonly input: InputSpec;
  readonly classNames: readonly string[];
  /** Share of damaged files that was allowed, 0..1. */
  readonly maxCorrupt: number;
  /** Images of each part, of those that could be read when it was trained. */
  readonly images: Readonly<Record<string, number>>;
}

const HEX_SHA256 = /^[0-9a-f]{64}$/;
const SEED = wholeBetween(0, Number.MAX_SAFE_INTEGER);
const SHARE = { words: 'a number from 0 to 1', holds: (value: number) => value >= 0 && value <= 1 };
const COUNT = wholeBetween(0, Number.MAX_SAFE_INTEGER);

function parsePlan(json: unknown, where: string): SplitPlan {
  const object = readObject(json, where);
  const seed = readNumber(object, 'seed', SEED);
  const by = readChoice(object, 'by', ['count', 'share', 'folder']);
  switch (by) {
    case 'count':
      return {
        by,
        seed,
        selection: readNumber(object, 'selection', COUNT),
        verification: readNumber(object, 'verification', COUNT),
      };
    case 'share': {
      const heldOut = { words: 'a number above 0 and below 1', holds: (value: number) => value > 0 && value < 1 };
      return { by, seed, heldOut: readNumber(object, 'heldOut', heldOut) };
    }
    case 'folder':
      return { by, seed };
  }
}

/**
 * Reads a record as it lies in a run's `data.json` or in a bundle's figures.
 * @throws BespokeError `invalid-request` naming the member
 */
export function parseDataRecord(json: unknown, where: string): DataRecord {
  const object = readObject(json, where);
  readNumber(object, 'schema', wholeBetween(1, 1));
  const { layout, fingerprint, classNames, images } = object.members;
  if (typeof layout !== 'string') refuseJson(`${where}: layout`, 'a text', layout);
  if (typeof fingerprint !== 'string' || !HEX_SHA256.test(fingerprint)) {
    refuseJson(`${where}: fingerprint`, 'a sha256 in hex', fingerprint);
  }
  if (!Array.isArray(classNames) || !classNames.every((name): name is string => typeof name === 'string')) {
    refuseJson(`${where}: classNames`, 'a list of texts', classNames);
  }
  const counts = readObject(images, `${where}: images`);
  return {
    schema: 1,
    layout,
    fingerprint,
    plan: parsePlan(object.members.plan, `${where}: plan`),
    side: readNumber(object, 'side', wholeBetween(1, 65_536)),
    input: parseInputSpec(object.members.input, `${where}: input`),
    classNames,
    maxCorrupt: readNumber(object, 'maxCorrupt', SHARE),
    images: Object.fromEntries(Object.keys(counts.members).map((name) => [name, readNumber(counts, name, COUNT)])),
  };
}

/**
 * The record in a bundle's figures; a bundle without one was made of Fashion-MNIST by its own split, if the images are that.
 * @throws BespokeError `conflict` if the bundle does not say what it was trained on
 */
export function recordOfBundle(bundle: Bundle, source: ImageSource): DataRecord {
  const data = bundle.figures[DATA_FIGURE];
  const where = `the bundle in "${bundle.dir}": figures.${DATA_FIGURE}`;
  if (data !== undefined) {
    const { members } = readObject(data, where);
    return parseDataRecord({ ...members, input: bundle.input, classNames: bundle.classNames }, where);
  }
  const known = knownRecord(source);
  if (known !== undefined) return known;
  throw new BespokeError(
    'conflict',
    `${where} is missing: which images of ${source.dir} it was not trained on cannot be told`,
  );
}

/** The record that every bundle of Fashion-MNIST has by its split, whether it was written into it or not. */
const FASHION_MNIST_RECORD: DataRecord = {
  schema: 1,
  layout: 'idx',
  fingerprint: FASHION_MNIST_FINGERPRINT,
  plan: FASHION_MNIST_PLAN,
  side: 28,
  input: FASHION_MNIST_INPUT,
  classNames: FASHION_MNIST_CLASSES,
  maxCorrupt: 0,
  images: { train: 55_000, selection: 3_000, verification: 2_000 },
};

/** The fixed split, normalization and class names of Fashion-MNIST, if a source is that. */
export function knownRecord(source: ImageSource): DataRecord | undefined {
  if (source.layout !== 'idx' || source.pool.labels.length !== 60_000) return undefined;
  return source.fingerprint() === FASHION_MNIST_FINGERPRINT ? FASHION_MNIST_RECORD : undefined;
}
