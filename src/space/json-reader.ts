import { BespokeError } from '../common/errors.js';

/** A JSON object under inspection, with the path that error sentences name. */
export interface JsonObject {
  readonly where: string;
  readonly members: Readonly<Record<string, unknown>>;
}

/** The rule that a number has to follow, in words and as a check. */
export interface NumberRule {
  readonly words: string;
  readonly holds: (value: number) => boolean;
}

/** Whole numbers from `low` to `high`. */
export function wholeBetween(low: number, high: number): NumberRule {
  return {
    words: `a whole number from ${low} to ${high}`,
    holds: (value) => Number.isInteger(value) && value >= low && value <= high,
  };
}

/** Input that was refused, with its place apart from the sentence about it. */
export class JsonRefusal extends BespokeError {
  /** What the sentence is about. */
  readonly where: string;
  /** What broke the rule: that, or a part of it. */
  readonly at: string;
  /** The sentence after `where`. */
  readonly rest: string;

  constructor(where: string, at: string, rest: string) {
    super('invalid-request', `${where} ${rest}`);
    this.where = where;
    this.at = at;
    this.rest = rest;
  }
}

/** Refuses input in one sentence: where, the rule, what was given. */
export function refuseJson(where: string, rule: string, given: unknown): never {
  const text = given === undefined ? 'nothing' : JSON.stringify(given).slice(0, 80); // long values would bury the sentence
  throw new JsonRefusal(where, where, `must be ${rule}; given: ${text}.`);
}

/** Reads an object; with `allowed`, members of other names are refused, so that a misspelled one is not silently ignored. */
export function readObject(value: unknown, where: string, allowed?: readonly string[]): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuseJson(where, 'a JSON object', value);
  const unknown = allowed === undefined ? undefined : Object.keys(value).find((key) => !allowed.includes(key));
  if (unknown !== undefined) {
    const rest = `has a member "${unknown}" that is not known; known are: ${allowed?.join(', ')}.`;
    throw new JsonRefusal(where, `${where}: ${unknown}`, rest);
  }
  return { where, members: { ...value } };
}

/** Reads a member that must be a number under a rule. */
export function readNumber(object: JsonObject, key: string, rule: NumberRule): number {
  const value = object.members[key];
  if (typeof value === 'number' && rule.holds(value)) return value;
  return refuseJson(`${object.where}: ${key}`, rule.words, value);
}

/** Reads a member that must be true or false. */
export function readBoolean(object: JsonObject, key: string): boolean {
  const value = object.members[key];
  return typeof value === 'boolean' ? value : refuseJson(`${object.where}: ${key}`, 'true or false', value);
}

/** Reads a member that must be one of a few strings. */
export function readChoice<T extends string>(object: JsonObject, key: string, choices: readonly T[]): T {
  const value = object.members[key];
  const found = choices.find((choice) => choice === value);
  return found ?? refuseJson(`${object.where}: ${key}`, `one of ${choices.join(', ')}`, value);
}

/** Reads a member that must be a list of 1 to `maxLength` entries. */
export function readList(object: JsonObject, key: string, maxLength: number): readonly unknown[] {
  const value = object.members[key];
  if (Array.isArray(value) && value.length >= 1 && value.length <= maxLength) return value;
  return refuseJson(`${object.where}: ${key}`, `a list of 1 to ${maxLength} entries`, value);
}

/** Reads a member that must be a strictly ascending list of numbers under a rule. */
export function readAscending(object: JsonObject, key: string, rule: NumberRule): number[] {
  const maxLength = 256; // more choices than any elastic dimension has; bounds the work a file can ask for
  const numbers: number[] = [];
  for (const value of readList(object, key, maxLength)) {
    const last = numbers[numbers.length - 1] ?? Number.NEGATIVE_INFINITY;
    if (typeof value !== 'number' || !rule.holds(value) || value <= last) {
      refuseJson(`${object.where}: ${key}`, `an ascending list, each entry ${rule.words}`, object.members[key]);
    }
    numbers.push(value);
  }
  return numbers;
}
