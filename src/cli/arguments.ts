import { readFile } from 'node:fs/promises';
import { InvalidArgumentError } from 'commander';
import { BespokeError } from '../common/errors.js';

/** What `--calibration-images` means. */
export const CALIBRATION_IMAGES = 'how many of them (default: up to 2,000, in 64 MiB)';

/** Exit codes that a build can act on (docs/ci.md). */
export const EXIT = { done: 0, failed: 1, inconclusive: 2, usage: 3 } as const;

/** A finite number above zero, as an option's value. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError(`it must be a number above 0, got "${text}".`);
}

/** A whole number of at least 1. */
export function positiveInteger(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError(`it must be a whole number of at least 1, got "${text}".`);
}

/** A whole number of at least 0. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError(`it must be a whole number of at least 0, got "${text}".`);
}

/** A port to listen on; 0 takes a free one. */
export function port(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= 65_535) return value;
  throw new InvalidArgumentError(`it must be a whole number from 0 to 65535, got "${text}".`);
}

/** A share between 0 and 1. */
export function fraction(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError(`it must be a number from 0 to 1 (0.92 for 92 %), got "${text}".`);
}

/** A share of a whole: more than none of it, less than all. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value < 1) return value;
  throw new InvalidArgumentError(`it must be a number above 0 and below 1 (0.2 for 20 %), got "${text}".`);
}

/** Most evaluations of a search; the API allows as many. */
const MOST_EVALUATIONS = 1_000_000;
/** What the API asks of a job: the fewest evaluations, and the longest time limit in seconds. */
const JOB = { fewestEvaluations: 1_000, mostSeconds: 3_600 } as const;

/** How many evaluations a search may spend, `least` or more. */
const evaluations =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= MOST_EVALUATIONS) return value;
    throw new InvalidArgumentError(`it must be a whole number from ${least} to ${MOST_EVALUATIONS}, got "${text}".`);
  };

/** How many evaluations a search may spend. */
export const evaluationCount = evaluations(1);

/** How many evaluations the search of a job may spend. */
export const jobEvaluationCount = evaluations(JOB.fewestEvaluations);

/** How long the search of a job may take, seconds. */
export function jobSeconds(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value <= JOB.mostSeconds) return value;
  throw new InvalidArgumentError(`it must be a number above 0 and at most ${JOB.mostSeconds}, got "${text}".`);
}

/** A probability that is more than a coin's. */
export function confidence(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0.5 && value < 1) return value;
  throw new InvalidArgumentError(`it must be a number above 0.5 and below 1 (0.95 for 95 %), got "${text}".`);
}

/** Whole numbers of at least 1, separated by commas. */
export function integerList(text: string): number[] {
  const values = text.split(',').map(Number);
  if (/^\d+(,\d+)*$/.test(text) && values.every((value) => Number.isSafeInteger(value) && value > 0)) return values;
  throw new InvalidArgumentError(`it must be whole numbers of at least 1 with commas between (20,24), got "${text}".`);
}

/** `key=value`, collected over repeated options. */
export function label(text: string, previous: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError(`it must be key=value, got "${text}".`);
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
}

/** The JSON in a file, or on stdin for `-`. @throws BespokeError `invalid-request` naming the file */
export async function readJson(path: string): Promise<unknown> {
  const where = path === '-' ? 'standard input' : `"${path}"`;
  let body: string;
  try {
    body = path === '-' ? await readStdin() : await readFile(path, 'utf8');
  } catch (cause) {
    throw new BespokeError('invalid-request', `${where} cannot be read (${codeOf(cause)})`, {}, cause);
  }
  try {
    return JSON.parse(body) as unknown;
  } catch (cause) {
    throw new BespokeError(
      'invalid-request',
      `${where} is not JSON: ${cause instanceof Error ? cause.message : ''}`,
      {},
      cause,
    );
  }
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer); // stdin without an encoding gives buffers
  return Buffer.concat(chunks).toString('utf8');
}

/** The system's word for a failed file operation. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

/** Collects an option that may be given again; its default is `[]`. */
export const repeated = (value: string, earlier: readonly string[]): readonly string[] => [...earlier, value];

/** A member of a JSON value that may not be an object; undefined where there is none. */
export function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** Runs work whose refusals then say which input they are of. */
export function naming<T>(input: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof BespokeError)) throw cause;
    throw new BespokeError(cause.code, `${input}: ${cause.message}`, {}, cause);
  }
}
