import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ERROR_TABLE } from '../../src/common/errors.js';
import { STAGES, STATUSES } from '../../src/specialize/types.js';
import { CONTRACT, OPERATIONS } from '../contract/contract-oracle.js';

const text = readFileSync('docs/api.md', 'utf8');

test('the life cycle shows every status and the table every stage', () => {
  const diagram = /```mermaid([\s\S]*?)```/.exec(text)?.[1] ?? '';
  const drawn = new Set([...diagram.matchAll(/(\w+) --> (\w+)/g)].flatMap(([, from, to]) => [from, to]));
  expect([...drawn].sort()).toEqual([...STATUSES].sort());
  const stages = [...text.matchAll(/^\| `(\w+)` \|/gm)].map(([, stage]) => stage);
  expect(stages).toEqual([...STAGES]);
});

test('every code it names is in the error table', () => {
  const named = [...text.matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)].map(([, code]) => String(code));
  expect(named.length).toBeGreaterThan(3);
  expect(named.filter((code) => !(code in ERROR_TABLE))).toEqual([]);
});

test('every path it names is in the contract', () => {
  const paths = [...text.matchAll(/(?:GET|POST|DELETE) (\/v1[^\s`,:]*)/g)].map(([, path]) => path);
  expect(paths.length).toBeGreaterThan(3);
  expect(paths.filter((path) => !OPERATIONS.some((each) => each.path === path))).toEqual([]);
});

test('the limits it names are those of the contract', () => {
  const { RequestedConstraints } = (CONTRACT.components as { schemas: Record<string, { properties: object }> }).schemas;
  for (const name of Object.keys(RequestedConstraints?.properties ?? {})) expect(text).toContain(`\`${name}\``);
});
