import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { endAll, runCli } from '../helpers/server-process.js';
import { readText } from './source-files.js';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const page = readText('docs/exporting.md');

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-exporting-'));
  await writeFile(join(scratch, 'arch.json'), /`(\{"kernelSizes".*?\})`/.exec(page)?.[1] ?? '');
});
afterAll(async () => {
  await endAll(scratch);
  await rm(scratch, { recursive: true, force: true });
});

describe('docs/exporting.md', () => {
  it('shows a command with what it prints', async () => {
    const [, command = '', printed = ''] = /\$ npx bespoke (extract .*)\n([\s\S]*?)\$ npx/.exec(page) ?? [];
    const args = command
      .replace('arch.json', join(scratch, 'arch.json'))
      .replace('model.onnx', join(scratch, 'm.onnx'));
    const ended = await runCli(args.split(' '), { dataDir: scratch, models: 'models' });
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stdout.replace(join(scratch, 'm.onnx'), 'model.onnx')).toBe(printed);
  });
});
