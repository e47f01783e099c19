import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';
import type { Answer } from './harness.js';

type Json = Record<string, unknown>;
const asJson = (value: unknown): Json => (value ?? {}) as Json;

export const CONTRACT_TEXT = readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8');
/** The contract read on its own, not through the server's reader. */
export const CONTRACT: Json = parse(CONTRACT_TEXT);

const METHODS = ['get', 'head', 'put', 'post', 'delete', 'options', 'patch', 'trace'];

export interface DocumentedOperation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly statuses: readonly string[];
  readonly responses: Json;
  readonly raw: Json;
}

function deref(value: unknown): Json {
  const { $ref } = asJson(value);
  if (typeof $ref !== 'string') return asJson(value);
  return deref(
    $ref
      .slice(2)
      .split('/')
      .reduce<unknown>((at, key) => asJson(at)[key], CONTRACT),
  );
}

export const OPERATIONS: readonly DocumentedOperation[] = Object.entries(asJson(CONTRACT.paths)).flatMap(
  ([path, item]) =>
    METHODS.filter((method) => method in asJson(item)).map((method) => {
      const raw = asJson(asJson(item)[method]);
      const responses = asJson(raw.responses);
      const statuses = Object.keys(responses).filter((status) => status !== 'default');
      return { id: String(raw.operationId), method: method.toUpperCase(), path, statuses, responses, raw };
    }),
);

/** Closes every object schema that lists its members, so that an undocumented member fails a test. */
function strict(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strict);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, member]) => [key, strict(member)]));
  if (copy.type === 'object' && 'properties' in copy && !('additionalProperties' in copy))
    copy.additionalProperties = false;
  return copy;
}

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema({ $id: 'strict', components: strict(CONTRACT.components) });
ajv.addSchema({ $id: 'plain', components: CONTRACT.components });

const compiled = new Map<string, ValidateFunction>();
function validatorOf(schema: unknown, base: 'strict' | 'plain'): ValidateFunction {
  const text = JSON.stringify(base === 'strict' ? strict(schema) : schema).replaceAll(
    '"#/components/',
    `"${base}#/components/`,
  );
  const known = compiled.get(text) ?? ajv.compile(JSON.parse(text));
  compiled.set(text, known);
  return known;
}

/** What is wrong with a value by a schema of the contract; an empty list: nothing. */
export function schemaErrors(schema: unknown, value: unknown, base: 'strict' | 'plain' = 'strict'): readonly string[] {
  const validate = validatorOf(schema, base);
  if (validate(value)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

const PROBLEM = { $ref: '#/components/schemas/Problem' };

function problemErrors(answer: Answer): readonly string[] {
  const type = answer.headers['content-type'] ?? '';
  if (!type.startsWith('application/problem+json')) return [`a problem came as ${type}`];
  const problem = asJson(JSON.parse(answer.text));
  const wrong = schemaErrors(PROBLEM, problem).slice();
  if (problem.status !== answer.status) wrong.push(`the problem says ${problem.status}, the answer ${answer.status}`);
  if (problem.requestId !== answer.headers['x-request-id']) wrong.push('the request id differs from the header');
  return wrong;
}

/**
 * What is wrong with an answer by the contract: an undocumented status, media type, member or missing header.
 * `operation` undefined: no operation of the contract, so only a problem is right.
 */
export function answerErrors(operation: DocumentedOperation | undefined, answer: Answer): readonly string[] {
  if (answer.headers['x-request-id'] === undefined) return ['there is no X-Request-Id'];
  if (operation === undefined) return answer.method === 'HEAD' ? [] : problemErrors(answer);
  const documented = operation.responses[String(answer.status)];
  if (documented === undefined) return [`${answer.status} is not documented for ${operation.id}`];
  const response = deref(documented);
  const missing = missingHeaders(response, answer);
  if (missing.length > 0) return missing;
  const content = asJson(response.content);
  if (Object.keys(content).length === 0) return answer.text === '' ? [] : ['a body where none is documented'];
  if (answer.method === 'HEAD') return [];
  const type = (answer.headers['content-type'] ?? '').split(';')[0] ?? '';
  if (!(type in content)) return [`${type} is not documented for ${operation.id} ${answer.status}`];
  if (type === 'application/problem+json') return problemErrors(answer);
  return type === 'application/json' ? schemaErrors(asJson(content[type]).schema, JSON.parse(answer.text)) : [];
}

/** Headers that depend on the request or the state of the row. */
const CONDITIONAL = ['Retry-After', 'Preference-Applied', 'Link'];

function missingHeaders(response: Json, answer: Answer): readonly string[] {
  return Object.keys(asJson(response.headers))
    .filter((name) => !CONDITIONAL.includes(name) && answer.headers[name.toLowerCase()] === undefined)
    .map((name) => `the header ${name} is missing`);
}
