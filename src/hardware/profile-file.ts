import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Check, isAscending, isNumber, isNumbers, isText } from '../common/checks.js';
import { BespokeError } from '../common/errors.js';
import { canonicalJson, type Sha256, sha256 } from '../common/hash.js';
import type { LatencyProfile } from './types.js';

/** Where profiles are kept within a data folder. */
export const profilesDir = (dataDir: string): string => join(dataDir, 'hardware');

/** A profile's figures: everything but when, how long and from which files, and the revision made of them. */
export type ProfileFigures = Omit<LatencyProfile, 'revision' | 'sources' | 'measuredAt' | 'seconds'>;

/** sha256 of a profile's figures: equal figures have equal revisions, whenever they were measured. */
export function profileRevision(profile: ProfileFigures): Sha256 {
  const { schema, hardware, spaceId, statistic, method, resolutions, table, scale, offsetMs, holdout } = profile;
  const { references, residuals } = profile;
  const figures = {
    schema,
    hardware,
    spaceId,
    statistic,
    method,
    resolutions,
    table,
    scale,
    offsetMs,
    holdout,
    references,
    residuals,
  };
  return sha256(canonicalJson(figures));
}

const isPositive: Check = (value) => isNumber(value) && (value as number) > 0; // isNumber holds
const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && values.includes(value);
const isOptional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const isRecordOf =
  (check: Check): Check =>
  (value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(check);
const hasFields =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(fields).every(([name, check]) => check(Reflect.get(value, name)));

const isHardware = hasFields({
  id: isText,
  name: isText,
  device: isText,
  runtime: isText,
  precision: oneOf('fp32'),
  threads: isPositive,
  batch: isPositive,
  provenance: oneOf('measured', 'table', 'fitted', 'coarse'),
  fingerprint: isOptional(isRecordOf((value) => typeof value === 'string')),
});

const isHoldout = hasFields({
  nets: isPositive,
  mapePercent: isNumber,
  p90Percent: isNumber,
  maxPercent: isNumber,
  kendallTau: isNumber,
});

const isArch = hasFields({
  spaceId: isText,
  kernelSizes: isNumbers,
  expandRatios: isNumbers,
  depths: isNumbers,
  resolution: isPositive,
});

const isSources: Check = (value) =>
  Array.isArray(value) && value.every(hasFields({ file: isText, sha256: isText, resolution: isPositive }));
const isReferences: Check = (value) => Array.isArray(value) && value.every(hasFields({ arch: isArch, ms: isPositive }));

const PROFILE_FIELDS = {
  schema: (value) => value === 1,
  hardware: isHardware,
  spaceId: isText,
  statistic: oneOf('quiet', 'mean', 'p50', 'p90', 'p99'),
  method: isText,
  revision: isText,
  resolutions: isNumbers,
  table: isRecordOf(isNumber),
  scale: isPositive,
  offsetMs: isNumber,
  holdout: isOptional(isHoldout),
  residuals: isOptional(isAscending),
  references: isOptional(isReferences),
  sources: isOptional(isSources),
  measuredAt: isOptional(isText),
  seconds: isOptional(isNumber),
} as const satisfies Record<keyof LatencyProfile, Check>;

function refuse(where: string, detail: string, cause?: unknown): never {
  throw new BespokeError('invalid-request', `"${where}" is not a latency profile: ${detail}`, {}, cause);
}

/**
 * Reads a latency profile from JSON text.
 * @param where the file's name, for errors
 * @throws BespokeError `invalid-request` naming the field that is missing or wrong, or if the figures do not have the revision stated
 */
export function parseProfile(json: string, where: string): LatencyProfile {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    refuse(where, 'it is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null) refuse(where, 'it is not a JSON object');
  for (const [field, isValid] of Object.entries(PROFILE_FIELDS)) {
    const given: unknown = Reflect.get(value, field);
    if (!isValid(given))
      refuse(where, `"${field}" is ${given === undefined ? 'missing' : canonicalJson(given).slice(0, 200)}`);
  }
  const profile = value as LatencyProfile; // every field was checked above
  const revision = profileRevision(profile);
  if (revision !== profile.revision)
    refuse(where, `its figures have the revision ${revision}, it states ${profile.revision}`);
  return profile;
}

const SUFFIX = '.latency.json';

/** File name of the profile of a hardware type for a space; ids are escaped, so that none can leave the folder. */
function fileName(hardwareId: string, spaceId: string): string {
  return `${encodeURIComponent(hardwareId)}@${encodeURIComponent(spaceId)}${SUFFIX}`;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/**
 * Saves a profile in a folder, in place of an older one of the same hardware type and space; readers see the old or the new one, whole.
 * @returns the file's path
 * @throws BespokeError `storage-failed` if the folder cannot be written
 */
export async function saveProfile(dir: string, profile: LatencyProfile): Promise<string> {
  const path = join(dir, fileName(profile.hardware.id, profile.spaceId));
  const draft = `${path}.${randomUUID()}`;
  try {
    await mkdir(dir, { recursive: true });
    await writeFile(draft, `${JSON.stringify(profile, undefined, 2)}\n`);
    await rename(draft, path);
  } catch (cause) {
    throw new BespokeError('storage-failed', `the latency profile "${path}" cannot be written`, {}, cause);
  }
  return path;
}

/**
 * All profiles of a folder, by file name; none if the folder does not exist.
 * @param onRefused told of a file that is none, which is then left out; without it, the error is thrown
 * @throws as {@link parseProfile}
 */
export async function loadProfiles(
  dir: string,
  onRefused?: (path: string, error: BespokeError) => void,
): Promise<LatencyProfile[]> {
  let names: string[];
  try {
    names = await readdir(dir);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
  const files = names.filter((name) => name.endsWith(SUFFIX)).sort();
  const found = await Promise.all(
    files.map(async (name) => {
      const path = join(dir, name);
      const text = await readFile(path, 'utf8');
      try {
        return parseProfile(text, path);
      } catch (error) {
        if (onRefused === undefined || !(error instanceof BespokeError)) throw error;
        onRefused(path, error);
        return undefined;
      }
    }),
  );
  return found.filter((profile) => profile !== undefined);
}

/** The profile of one hardware type for one space; undefined if the folder has none. @throws as {@link parseProfile} */
export async function loadProfile(
  dir: string,
  hardwareId: string,
  spaceId: string,
): Promise<LatencyProfile | undefined> {
  const path = join(dir, fileName(hardwareId, spaceId));
  try {
    return parseProfile(await readFile(path, 'utf8'), path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
