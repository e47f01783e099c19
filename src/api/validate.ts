import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { BespokeError, type FieldError } from '../common/errors.js';
import type { Contract, Operation, Parameter, Schema } from './contract.js';
import { fieldError, SHOWN_CHARACTERS, shown } from './field-error.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
const NUMBER = /^-?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,4})?$/;
/** More errors than this tell a client nothing new. */
const MAX_ERRORS = 20;

function isTime(text: string): boolean {
  if (!TIME.test(text)) return false;
  const time = new Date(text);
  // PostgreSQL has no year 0; Date has: an offset can move the first day of year 1 there.
  return Number.isFinite(time.getTime()) && time.getUTCFullYear() >= 1 && time.getUTCFullYear() <= 9999;
}

/** What a request gave, already split by where it came from. */
export interface RequestInput {
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly header: (name: string) => string | undefined;
  readonly body: unknown;
}

/** A request that keeps the contract; `query` has numbers and lists where the contract says so. */
export interface ValidInput {
  readonly query: Readonly<Record<string, string | number | readonly string[]>>;
  readonly body: unknown;
}

export interface Validator {
  /** Throws `invalid-request` with a pointer per broken rule. */
  check(operation: Operation, input: RequestInput): ValidInput;
}

/**
 * Errors without those of choices that were not meant. Where a value may be of several kinds, each kind complains: what counts is what the
 * kind that it is of says; where it is of none, which kinds there are.
 */
function telling(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  return errors.reduce<readonly ErrorObject[]>((left, choice) => {
    if (choice.keyword !== 'oneOf') return left;
    // What stands deeper is of it too, wherever its schema is.
    const ofChoice = ({ schemaPath, instancePath }: ErrorObject): boolean =>
      schemaPath.startsWith(`${choice.schemaPath}/`) || instancePath.startsWith(`${choice.instancePath}/`);
    const isOfKind = (error: ErrorObject): boolean =>
      error.keyword !== 'type' || error.instancePath !== choice.instancePath;
    const said = left.filter((error) => ofChoice(error) && isOfKind(error));
    const rest = left.filter((error) => !ofChoice(error) && error !== choice);
    const kinds = left.filter((error) => ofChoice(error) && !isOfKind(error)).map(({ params }) => String(params.type));
    return [...rest, ...(said.length > 0 ? said : [{ ...choice, message: `must be ${kinds.join(' or ')}` }])];
  }, errors);
}

/**
 * Finds a string (or a name) that no database keeps as UTF-8 text: a null character, or half of a surrogate pair.
 * Runs after the schema, which bounds depth and size.
 * @returns its JSON pointer
 */
function findBadText(value: unknown, pointer: string): string | undefined {
  if (typeof value === 'string') return /\0|\p{Surrogate}/u.test(value) ? pointer : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, member] of Object.entries(value)) {
    const found = findBadText(key, `${pointer}/?`) ?? findBadText(member, `${pointer}/${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function invalid(where: string, errors: readonly FieldError[]): BespokeError {
  const [first] = errors;
  const rest = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return new BespokeError('invalid-request', `${where} ${first?.pointer} ${first?.detail}${rest}.`, { errors });
}

/** A query or header text as the value that its schema speaks of; undefined: not of that kind at all. */
function coerce(schema: Schema, given: string | readonly string[]): string | number | readonly string[] | undefined {
  if (schema.type === 'array') return typeof given === 'string' ? [given] : given;
  if (typeof given !== 'string') return undefined;
  if (schema.type !== 'number' && schema.type !== 'integer') return given;
  return NUMBER.test(given) ? Number(given) : undefined;
}

/**
 * Checks requests against the contract's own schemas (JSON Schema 2020-12, as OpenAPI 3.1 has it).
 * Each schema is compiled at its first use and once: what a client sends never adds to what is kept.
 */
export function makeValidator(contract: Contract): Validator {
  const ajv = new Ajv2020({
    allErrors: true,
    strict: false,
    strictNumbers: true, // JSON.parse reads 1e999 as Infinity
    verbose: true,
    formats: { uuid: UUID, 'date-time': isTime },
  });
  ajv.addSchema({ $id: 'contract', components: { schemas: contract.schemas } });
  const compiled = new Map<Schema, ValidateFunction>();
  const compile = (schema: Schema): ValidateFunction => {
    const known = compiled.get(schema);
    if (known !== undefined) return known;
    const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', '"contract#/components/'));
    const validate = ajv.compile(absolute);
    compiled.set(schema, validate);
    return validate;
  };
  const broken = (schema: Schema, value: unknown, prefix: string): FieldError[] => {
    const validate = compile(schema);
    if (validate(value)) return [];
    return telling(validate.errors ?? [])
      .slice(0, MAX_ERRORS)
      .map((error) => fieldError(error, prefix));
  };
  const brokenText = (parameter: Parameter, given: string | readonly string[] | undefined): FieldError[] => {
    if (given === undefined) return [];
    const value = coerce(parameter.schema, given);
    const pointer = parameter.name;
    if (value !== undefined) return broken(parameter.schema, value, pointer);
    const detail = typeof given === 'string' ? `must be a number, got ${shown(given)}` : 'is given more than once';
    return [{ pointer, detail }];
  };
  return {
    check: (operation, input) => {
      const of = (place: Parameter['in']): Parameter[] => operation.parameters.filter((each) => each.in === place);
      const path = of('path').flatMap((each) => brokenText(each, input.path[each.name]));
      if (path.length > 0) throw invalid('path parameter', path);
      const header = of('header').flatMap((each) => brokenText(each, input.header(each.name)));
      if (header.length > 0) throw invalid('header', header);
      const query = checkQuery(of('query'), input.query, brokenText);
      if (operation.body === undefined) return { query, body: undefined };
      const body = broken(operation.body, input.body, '');
      if (body.length > 0) throw invalid('body', body);
      const bad = findBadText(input.body, '');
      if (bad !== undefined)
        throw invalid('body', [{ pointer: bad, detail: 'has a null character or half of a surrogate pair' }]);
      return { query, body: input.body };
    },
  };
}

function checkQuery(
  parameters: readonly Parameter[],
  given: RequestInput['query'],
  brokenText: (parameter: Parameter, text: string | readonly string[] | undefined) => readonly FieldError[],
): ValidInput['query'] {
  const known = new Set(parameters.map(({ name }) => name));
  const accepted = known.size === 0 ? 'none is read' : `known are ${[...known].join(', ')}`;
  const unknown = Object.keys(given)
    .filter((name) => !known.has(name))
    .slice(0, MAX_ERRORS)
    .map((name) => ({ pointer: name.slice(0, SHOWN_CHARACTERS), detail: `is not known here, ${accepted}` }));
  const errors = [...unknown, ...parameters.flatMap((each) => brokenText(each, given[each.name]))];
  if (errors.length > 0) throw invalid('query parameter', errors);
  const values = parameters.flatMap((each) => {
    const text = given[each.name];
    const value = text === undefined ? undefined : coerce(each.schema, text);
    return value === undefined ? [] : [[each.name, value] as const];
  });
  const bad = values.find(([, value]) => findBadText(value, '') !== undefined);
  if (bad !== undefined)
    throw invalid('query parameter', [{ pointer: bad[0], detail: 'has a null character or half of a surrogate pair' }]);
  return Object.fromEntries(values);
}
