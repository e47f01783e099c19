import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ERROR_TABLE } from '../../src/common/errors.js';

const text = readFileSync('docs/errors.md', 'utf8');
const sections = text.split(/^## /m).slice(1);

test('docs/errors.md has every code of the table, in its order, and no other: the headings are the anchors', () => {
  expect(sections.map((section) => section.split('\n')[0])).toEqual(Object.keys(ERROR_TABLE));
});

test.each(Object.entries(ERROR_TABLE))('%s says its status, meaning, cause and what to do', (code, { status }) => {
  const section = sections.find((each) => each.startsWith(`${code}\n`)) ?? '';
  expect(section).toContain(String(status));
  for (const part of ['**Meaning:** ', '**Cause:** ', '**What to do:** ']) expect(section).toContain(part);
});
