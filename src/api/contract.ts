import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { invariant } from '../common/invariant.js';
import type { operations } from '../generated/openapi.js';

export type OperationId = keyof operations;
export type Method = 'get' | 'head' | 'post' | 'delete';
const METHODS: readonly Method[] = ['get', 'head', 'post', 'delete'];

/** A JSON schema as written in the contract; references into `#/components/schemas` are left in place. */
export type Schema = Readonly<Record<string, unknown>>;

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly description: string;
  readonly schema: Schema;
}

export interface Response {
  /** Media types in the contract's order: the first is given where the client takes anything. */
  readonly mediaTypes: readonly string[];
  readonly description: string;
  readonly schemas: Readonly<Record<string, Schema | undefined>>;
}

export interface Operation {
  readonly id: OperationId;
  readonly method: Method;
  /** As in the contract: `/v1/models/{sha256}.onnx`. */
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  readonly parameters: readonly Parameter[];
  /** Schema of the JSON body; undefined: the operation takes none. */
  readonly body?: Schema;
  /** Keyed by status, or `default`. */
  readonly responses: Readonly<Record<string, Response>>;
}

/** openapi.yaml, read and resolved as far as routing and validation need it. */
export interface Contract {
  readonly text: string;
  readonly description: string;
  readonly schemas: Readonly<Record<string, Schema>>;
  readonly operations: readonly Operation[];
}

type Node = Readonly<Record<string, unknown>>;

// The contract is our own file, checked by the tests; these two are the only places that look into its untyped form.
const node = (value: unknown): Node => (value ?? {}) as Node;
const nodes = (value: unknown): readonly Node[] => (value ?? []) as readonly Node[];

/** Follows `$ref` within the document, one step at a time, until there is none. */
function resolve(document: Node, given: Node): Node {
  let current = given;
  for (let steps = 0; typeof current.$ref === 'string'; steps++) {
    invariant(steps < 10, () => `circular reference ${String(current.$ref)} in openapi.yaml`);
    const path = current.$ref.replace('#/', '').split('/');
    current = path.reduce<Node>((at, key) => node(at[key]), document);
  }
  return current;
}

function readParameter(document: Node, given: Node): Parameter {
  const parameter = resolve(document, given);
  return {
    name: String(parameter.name),
    in: parameter.in as Parameter['in'], // one of the three in our file
    required: parameter.required === true,
    description: String(parameter.description ?? ''),
    schema: resolve(document, node(parameter.schema)),
  };
}

function readResponse(document: Node, given: Node): Response {
  const response = resolve(document, given);
  const content = Object.entries(node(response.content));
  return {
    mediaTypes: content.map(([type]) => type),
    description: String(response.description ?? ''),
    schemas: Object.fromEntries(content.map(([type, value]) => [type, node(value).schema as Schema | undefined])),
  };
}

function readOperation(document: Node, path: string, method: Method): Operation {
  const item = node(node(document.paths)[path]);
  const operation = node(item[method]);
  const parameters = [...nodes(item.parameters), ...nodes(operation.parameters)];
  const body = node(node(node(operation.requestBody).content)['application/json']).schema;
  const responses = Object.entries(node(operation.responses));
  return {
    id: operation.operationId as OperationId, // `handlers` in app.ts is checked against the generated ids, both ways
    method,
    path,
    summary: String(operation.summary ?? ''),
    description: String(operation.description ?? ''),
    parameters: parameters.map((parameter) => readParameter(document, parameter)),
    ...(body === undefined ? {} : { body: node(body) }),
    responses: Object.fromEntries(responses.map(([status, given]) => [status, readResponse(document, node(given))])),
  };
}

/**
 * Reads the contract that this server keeps.
 * @param file openapi.yaml; by default the one that ships beside `src` or `dist`
 */
export function loadContract(file: string | URL = new URL('../../openapi.yaml', import.meta.url)): Contract {
  const text = readFileSync(file, 'utf8');
  const document = node(parse(text));
  const operations = Object.entries(node(document.paths)).flatMap(([path, item]) =>
    METHODS.filter((method) => method in node(item)).map((method) => readOperation(document, path, method)),
  );
  return {
    text,
    description: String(node(document.info).description ?? ''),
    schemas: node(document.components).schemas as Contract['schemas'],
    operations,
  };
}

/** Media types that a successful answer of the operation can have, in order of preference; empty: no body, or a redirect. */
export function offeredTypes(operation: Operation): readonly string[] {
  const types = Object.entries(operation.responses)
    .filter(([status]) => status.startsWith('2'))
    .flatMap(([, response]) => response.mediaTypes);
  return [...new Set(types)];
}
