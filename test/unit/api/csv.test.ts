import { expect, test } from 'vitest';
import { frontCsv, historyCsv } from '../../../src/api/csv.js';
import { makeMemoryPorts } from '../../contract/in-memory-ports.js';

test('a label that a spreadsheet would run gets an apostrophe', () => {
  const ports = makeMemoryPorts();
  const { request } = ports.add('queued');
  // The labels are one cell; a key begins with a letter or digit, so only a supernet id could begin with a sign.
  const row = ports.add('queued', { request: { ...request, supernetId: '=HYPERLINK("x")' } });
  expect(historyCsv([row])).toContain(`"'=HYPERLINK(""x"")"`);
});

test('no rows are a head alone', () => {
  expect(historyCsv([]).split('\r\n')).toHaveLength(2);
  expect(frontCsv([]).split('\r\n')).toHaveLength(2);
});

test('figures stand under their names', () => {
  const ports = makeMemoryPorts();
  const [head = '', line = ''] = historyCsv([ports.add('succeeded')]).split('\r\n');
  const at = (name: string): string | undefined => line.split(',')[head.split(',').indexOf(name)];
  expect([at('status'), at('measuredTop1'), at('measuredLatencyMs'), at('macs')]).toEqual([
    'succeeded',
    '0.905',
    '0.48',
    '2000000',
  ]);
});
