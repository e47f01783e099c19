import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { canonicalJson, type Sha256, sha256 } from '../common/hash.js';
import type { SearchSpace } from '../space/types.js';
import { encodeSafetensors } from '../tensor/safetensors.js';
import type { FloatTensor } from '../tensor/tensor.js';
import type { FoundCheckpoint, RunIdentity } from './checkpoint.js';
import type { TeacherModel } from './frozen-teacher.js';
import type { Recipe } from './recipe.js';
import { type SingleNet, singleNetSha256 } from './single-net.js';
import type { AttendedFront } from './subnet-schedule.js';
import type { TrainingData } from './training-data.js';

/** What a run is begun with. */
export interface RunSetup {
  readonly space: SearchSpace;
  readonly net?: SingleNet;
  readonly start?: ReadonlyMap<string, FloatTensor> | undefined;
  readonly teachers?: readonly TeacherModel[] | undefined;
  readonly front?: AttendedFront | undefined;
  readonly recipe: Recipe;
  readonly data: TrainingData;
  readonly seed: number;
  readonly workers: number;
  /** Name of the operators. */
  readonly lowering: string;
}

/** sha256 over what training reads of its images: pixels, labels, dims, normalization, and which are trained on and held out, in their order. */
function dataSha256({ images, input, train, selection }: TrainingData): Sha256 {
  const { pixels, labels, ...dims } = images;
  return sha256(
    canonicalJson({
      pixels: sha256(pixels),
      labels: labels === undefined ? null : sha256(labels),
      dims,
      input,
      train: sha256(JSON.stringify(train)),
      selection: sha256(JSON.stringify(selection)),
    }),
  );
}

/** The identity of a run. */
export function identityOf(setup: RunSetup): RunIdentity {
  const { space, net, start, teachers, front, recipe, data, seed, workers, lowering } = setup;
  const { height, width, channels } = data.images;
  return {
    spaceSha256: sha256(canonicalJson(space)),
    netSha256: net === undefined ? 'none' : singleNetSha256(space, net),
    ...(start === undefined ? {} : { startSha256: sha256(encodeSafetensors(start)) }),
    ...(teachers === undefined
      ? {}
      : { teachersSha256: sha256(canonicalJson(teachers.map(({ model }) => sha256(model)))) }),
    ...(front === undefined ? {} : { frontSha256: sha256(canonicalJson(front)) }),
    recipeSha256: sha256(canonicalJson(recipe)),
    dataSha256: dataSha256(data),
    images: `${data.train.length} trained on and ${data.selection.length} held out, ${width}x${height}x${channels}`,
    lowering,
    seed,
    workers,
  };
}

/** Copies of what a run is begun with, in its folder. */
export const RECIPE_FILE = 'recipe.json';
export const SPACE_FILE = 'space.json';

/** What people call the parts of an identity. */
const NAMES: Readonly<Record<keyof RunIdentity, string>> = {
  spaceSha256: 'the space',
  netSha256: 'the network or its first weights',
  startSha256: 'the weights it starts from',
  teachersSha256: 'the teachers',
  frontSha256: 'the front',
  recipeSha256: 'the recipe',
  dataSha256: 'the data',
  images: 'the images',
  lowering: 'the operators',
  seed: 'the seed',
  workers: 'the number of workers',
};

/** Differences that are listed before the rest is counted. */
const SHOWN_DIFFERENCES = 4;
/** Characters of a hash that are shown. */
const SHOWN_HASH = 12;

const shown = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 60); // long lists would bury the sentence

/** The places where two JSON values differ, as `phases[0].lr is 0.05 there, 0.1 here`. */
function differences(there: unknown, here: unknown, path = ''): readonly string[] {
  if (canonicalJson(there) === canonicalJson(here)) return [];
  if (typeof there !== 'object' || typeof here !== 'object' || there === null || here === null) {
    return [`${path} is ${shown(there)} there, ${shown(here)} here`];
  }
  const keys = new Set([...Object.keys(there), ...Object.keys(here)]);
  const nameOf = (key: string): string => {
    if (Array.isArray(there)) return `${path}[${key}]`;
    return path === '' ? key : `${path}.${key}`;
  };
  return [...keys].flatMap((key) => differences(Reflect.get(there, key), Reflect.get(here, key), nameOf(key)));
}

/** The value that a file of a run's folder holds, if it is the one that the hash is of. */
function storedValue(dir: string, file: string, hash: string): unknown {
  try {
    const value: unknown = JSON.parse(readFileSync(join(dir, file), 'utf8'));
    return sha256(canonicalJson(value)) === hash ? value : undefined;
  } catch {
    return undefined; // the copies are for people: without one the hashes have to do
  }
}

/** How one part differs, in words. */
function difference(
  key: keyof RunIdentity,
  { dir, recipe, space }: Pick<RunSetup, 'recipe' | 'space'> & { readonly dir: string },
  found: RunIdentity,
  wanted: RunIdentity,
): string {
  const copies = { recipeSha256: [RECIPE_FILE, recipe], spaceSha256: [SPACE_FILE, space] } as const;
  if (key === 'recipeSha256' || key === 'spaceSha256') {
    const [file, here] = copies[key];
    const there = storedValue(dir, file, found[key]);
    const list = there === undefined ? [] : differences(there, here);
    const rest = list.length > SHOWN_DIFFERENCES ? ` and ${list.length - SHOWN_DIFFERENCES} more` : '';
    if (list.length > 0) return `${NAMES[key]}: ${list.slice(0, SHOWN_DIFFERENCES).join(', ')}${rest}`;
  }
  const brief = (value: string | number | undefined): string => {
    if (value === undefined) return 'none';
    return key.endsWith('Sha256') ? `sha256 ${String(value).slice(0, SHOWN_HASH)}` : String(value);
  };
  return `${NAMES[key]}: ${brief(found[key])} there, ${brief(wanted[key])} here`;
}

/**
 * Refuses to go on with another run's checkpoint.
 * @throws BespokeError `invalid-request`, naming what differs and how
 */
export function checkIdentity(
  { checkpoint, path }: Pick<FoundCheckpoint, 'checkpoint' | 'path'>,
  setup: Pick<RunSetup, 'recipe' | 'space'> & { readonly dir: string },
  wanted: RunIdentity,
): void {
  const found = checkpoint.identity;
  const keys = new Set([...Object.keys(wanted), ...Object.keys(found)] as (keyof RunIdentity)[]);
  const differing = [...keys].filter((key) => found[key] !== wanted[key]);
  if (differing.length === 0) return;
  const list = differing.map((key) => difference(key, setup, found, wanted)).join('; ');
  throw new BespokeError(
    'invalid-request',
    `${path} belongs to another run (${list}); resume with what it was begun with, or choose another folder`,
  );
}
