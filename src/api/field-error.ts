import type { ErrorObject } from 'ajv/dist/2020.js';
import type { FieldError } from '../common/errors.js';
import type { Schema } from './contract.js';

/** Longest part of a refused value that an error repeats. */
export const SHOWN_CHARACTERS = 60;

/** A refused value as an error repeats it. */
export function shown(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? 'nothing');
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}...` : text;
}

/** Rules of which the sentence says all that would be accepted, whichever bound was broken. */
const OF_NUMBERS = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'type'];
const OF_LISTS = ['minItems', 'maxItems'];

/** `from 1 to 5`, `above 0 and at most 5`, `at least 1`; empty where nothing bounds it. */
function rangeOf(schema: Schema, [least, most]: readonly [string, string]): string {
  const [low, high] = [schema[least], schema[most]];
  if (typeof low === 'number' && typeof high === 'number') return `from ${low} to ${high}`;
  const parts = [
    ['at least', low],
    ['above', schema.exclusiveMinimum],
    ['at most', high],
    ['below', schema.exclusiveMaximum],
  ] as const;
  return parts.flatMap(([word, bound]) => (typeof bound === 'number' ? [`${word} ${bound}`] : [])).join(' and ');
}

/** What would be accepted in place of a refused number or list; undefined: the validator's own sentence says it. */
function acceptedOf({ keyword, parentSchema = {}, message }: ErrorObject): string | undefined {
  const { type } = parentSchema;
  if (OF_LISTS.includes(keyword)) return `must have ${rangeOf(parentSchema, ['minItems', 'maxItems'])} items`;
  if (!OF_NUMBERS.includes(keyword) || (type !== 'integer' && type !== 'number')) return message;
  const what = type === 'integer' ? 'a whole number' : 'a number';
  const range = rangeOf(parentSchema, ['minimum', 'maximum']);
  return `must be ${what}${range.startsWith('at ') ? ' of' : ''} ${range}`.trimEnd();
}

/** Names that a place knows, where it says so. */
function knownIn({ parentSchema }: ErrorObject): string {
  const known = Object.keys((parentSchema?.properties ?? {}) as object); // JSON Schema: an object
  return known.length === 0 ? '' : `, known are ${known.join(', ')}`;
}

/**
 * A broken rule as where, what would be accepted, and what was given.
 * @param prefix of the pointer: the parameter's name, or nothing for a body
 */
export function fieldError(error: ErrorObject, prefix: string): FieldError {
  const { keyword, params, data, instancePath } = error;
  const escaped = (name: unknown): string => String(name).replaceAll('~', '~0').replaceAll('/', '~1');
  const at = `${prefix}${instancePath}`;
  if (keyword === 'additionalProperties')
    return { pointer: `${at}/${escaped(params.additionalProperty)}`, detail: `is not known here${knownIn(error)}` };
  if (keyword === 'required') return { pointer: `${at}/${escaped(params.missingProperty)}`, detail: 'is missing' };
  if (keyword === 'enum')
    return { pointer: at, detail: `must be one of ${params.allowedValues.join(', ')}, got ${shown(data)}` };
  const rule = acceptedOf(error) ?? 'is not valid';
  if (keyword === 'type' && typeof data === 'object')
    return { pointer: at, detail: `${rule}, got ${data === null ? 'null' : 'an object or a list'}` };
  return { pointer: at, detail: `${rule}, got ${shown(data)}` };
}
