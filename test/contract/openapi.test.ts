import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, expectTypeOf, test } from 'vitest';
import { makeApp } from '../../src/api/app.js';
import type { HardwareInfo, SupernetInfo } from '../../src/api/ports.js';
import { ERROR_TABLE } from '../../src/common/errors.js';
import type { components } from '../../src/generated/openapi.js';
import type { Report, SpecializationRequest, SpecializationRow } from '../../src/specialize/types.js';
import { CONTRACT, CONTRACT_TEXT, OPERATIONS, schemaErrors } from './contract-oracle.js';
import { makeMemoryPorts } from './in-memory-ports.js';

type Json = Readonly<Record<string, unknown>>;

test('the generated types are those of openapi.yaml', () => {
  const made = execFileSync('node_modules/.bin/openapi-typescript', ['openapi.yaml'], { encoding: 'utf8' });
  expect(made.trim()).toBe(readFileSync('src/generated/openapi.ts', 'utf8').trim());
});

test('the problem codes are those of the error table', () => {
  const { ProblemCode } = (CONTRACT.components as { schemas: Record<string, { enum: string[] }> }).schemas;
  expect(ProblemCode?.enum).toEqual(Object.keys(ERROR_TABLE));
});

test('operation ids are unique and every one is routed, and nothing else is', () => {
  const ids = OPERATIONS.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const app = makeApp(makeMemoryPorts().deps);
  const routed = app.router.stack.flatMap(({ route }) => {
    if (route === undefined) return [];
    const methods = [...new Set(route.stack.map(({ method }) => method))].filter((method) => method !== undefined);
    return methods.length > 4 ? [] : methods.map((method) => `${method.toUpperCase()} ${route.path}`); // more: the 405 of a path
  });
  const documented = OPERATIONS.map(({ method, path }) => `${method} ${path.replace(/\{(\w+)\}/g, ':$1')}`);
  expect(routed.sort()).toEqual(documented.sort());
});

/** Every example beside a schema, with its place in the file. */
function examplesIn(value: unknown, place: string): { place: string; schema: unknown; example: unknown }[] {
  if (typeof value !== 'object' || value === null) return [];
  const { schema, examples } = value as Json;
  const own =
    schema === undefined || typeof examples !== 'object'
      ? []
      : Object.entries(examples as Record<string, { value: unknown }>).map(([name, { value: example }]) => ({
          place: `${place} ${name}`,
          schema,
          example,
        }));
  return [...own, ...Object.entries(value).flatMap(([key, member]) => examplesIn(member, `${place}/${key}`))];
}

const examples = examplesIn(CONTRACT, '#');

test('there are examples of requests, of an answer and of problems', () => {
  expect(examples.length).toBeGreaterThanOrEqual(6);
});

test.each(examples)('the example at $place keeps its schema', ({ schema, example }) => {
  expect(schemaErrors(schema, example)).toEqual([]);
});

test('every reference in the contract leads somewhere', () => {
  const references = [...CONTRACT_TEXT.matchAll(/'#\/([\w/]+)'/g)].map(([, path]) => String(path));
  const missing = references.filter(
    (path) => path.split('/').reduce<unknown>((at, key) => (at as Json)?.[key], CONTRACT) === undefined,
  );
  expect(references.length).toBeGreaterThan(100);
  expect(missing).toEqual([]);
});

test('every schema of the contract is used', () => {
  const { schemas } = CONTRACT.components as { schemas: Json };
  const unused = Object.keys(schemas).filter((name) => !CONTRACT_TEXT.includes(`#/components/schemas/${name}'`));
  expect(unused).toEqual([]);
});

/** The generated types with every member and list readonly, as the domain's are. */
type Frozen<T> = T extends readonly (infer U)[]
  ? readonly Frozen<U>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;
type Schemas = components['schemas'];

test('what the domain gives is what the contract says, checked by the compiler', () => {
  expectTypeOf<SpecializationRow>().toExtend<Omit<Frozen<Schemas['Specialization']>, 'problem'>>();
  expectTypeOf<SpecializationRequest>().toExtend<Frozen<Schemas['SpecializationRequest']>>();
  expectTypeOf<Report>().toExtend<Frozen<Schemas['Report']>>();
  expectTypeOf<HardwareInfo>().toExtend<Frozen<Schemas['Hardware']>>();
  expectTypeOf<Omit<SupernetInfo, 'space' | 'input'>>().toExtend<
    Omit<Frozen<Schemas['Supernet']>, 'space' | 'input'>
  >();
});
