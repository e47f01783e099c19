import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type CliOptions, endAll, runCli } from '../helpers/server-process.js';
import { writeTinyBundle } from '../helpers/tiny-bundle.js';

// Real processes: on a busy machine the start of each can take many seconds.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const LIMIT = ['--max-macs', '60000'];
const LIMITS = '--max-latency-ms, --max-macs, --max-params, --max-model-bytes, --max-peak-memory-bytes, --min-top1';

let scratch: string;
let options: CliOptions;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-e2e-'));
  options = { dataDir: join(scratch, 'data'), models: join(scratch, 'models') };
  await writeTinyBundle(options.models);
});
afterAll(async () => {
  await endAll(scratch);
  await rm(scratch, { recursive: true, force: true });
});

describe('bad options of a job', () => {
  it.each<readonly [readonly string[], string]>([
    [[...LIMIT, '--evaluations', '0'], '--evaluations must be a whole number from 1000 to 1000000, got "0".'],
    [[...LIMIT, '--evaluations', '1e12'], '--evaluations must be a whole number from 1000 to 1000000, got "1e12".'],
    [[...LIMIT, '--max-seconds', '0'], '--max-seconds must be a number above 0 and at most 3600, got "0".'],
    [
      [...LIMIT, '--resolutions', ''],
      '--resolutions must be whole numbers of at least 1 with commas between (20,24), got "".',
    ],
    [
      [...LIMIT, '--confidence', '1.5'],
      '--confidence must be a number above 0.5 and below 1 (0.95 for 95 %), got "1.5".',
    ],
    [['--max-latency-ms', '-1'], '--max-latency-ms must be a number above 0, got "-1".'],
    [['--min-top1', '2'], '--min-top1 must be a number from 0 to 1 (0.92 for 92 %), got "2".'],
    [[...LIMIT, '--objective', 'speed'], '--objective must be one of accuracy, latency, macs, got "speed".'],
    [[], `specialize needs at least one limit (${LIMITS}) or --objective, got none`],
    [
      [...LIMIT, '--resolutions', '12,17'],
      '/resolutions: 17 cannot be searched in "tiny-space"; searchable are 8, 12, nearest 12',
    ],
    [
      [...LIMIT, '--hardware', 'pdp-11'],
      '--hardware must name one that is known here, got "pdp-11"; known are local-cpu',
    ],
    [[...LIMIT, '--supernet', 'nope'], '--supernet must name one that is known here, got "nope"; known are tiny'],
  ])('%j: one sentence, and nothing is started', async (args, sentence) => {
    const { code, stdout, stderr } = await runCli(['specialize', ...args], options);
    expect({ code, stdout, stderr }).toEqual({ code: 3, stdout: '', stderr: `${sentence}\n` });
    expect(existsSync(options.dataDir)).toBe(false);
  });

  it.each<readonly [readonly string[], string]>([
    [[], `estimate needs at least one limit (${LIMITS}) or --arch, got none`],
    [
      [...LIMIT, '--hardware', 'pdp-11'],
      '--hardware must name one that is known here, got "pdp-11"; known are local-cpu',
    ],
  ])('of an estimate, %j', async (args, sentence) => {
    const { code, stdout, stderr } = await runCli(['estimate', ...args], options);
    expect({ code, stdout, stderr }).toEqual({ code: 3, stdout: '', stderr: `${sentence}\n` });
    expect(existsSync(options.dataDir)).toBe(false);
  });
});
