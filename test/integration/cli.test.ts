import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Specialization } from '../../src/client/client.js';
import { sha256 } from '../../src/common/hash.js';
import { maxArch, minArch } from '../../src/space/arch.js';
import { archCosts } from '../../src/space/costs.js';
import {
  bodyOf,
  type CliOptions,
  type Ended,
  endAll,
  finished,
  get,
  nothingLeft,
  runCli,
  type ServerProcess,
  startCli,
  startServer,
  until,
} from '../helpers/server-process.js';
import { saveTinyProfile, TINY_SPACE, writeTinyBundle } from '../helpers/tiny-bundle.js';

// Each command is a process; on a busy machine its start alone can take seconds.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });

let scratch: string;
/** With a server on its data folder. */
let beside: CliOptions;
/** With no server anywhere. */
let alone: CliOptions;
let server: ServerProcess;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-cli-'));
  const models = join(scratch, 'models');
  beside = { dataDir: join(scratch, 'beside'), models };
  alone = { dataDir: join(scratch, 'alone'), models };
  await Promise.all([writeTinyBundle(models), saveTinyProfile(beside.dataDir), saveTinyProfile(alone.dataDir)]);
  server = await startServer(beside);
});
afterAll(async () => {
  await endAll(scratch);
  await rm(scratch, { recursive: true, force: true });
});

const place = (name: string): string => join(scratch, name);
const specializeArgs = (...rest: readonly string[]): string[] => [
  '--json',
  'specialize',
  '--evaluations',
  '1000',
  '--skip-latency',
  ...rest,
];

/** The one JSON value that a command printed. */
function jsonOf<T>(ended: Ended, code = 0): T {
  expect(ended.code, ended.stderr).toBe(code);
  return JSON.parse(ended.stdout) as T; // each test looks at what it needs of it
}

/** A refusal: code 3, one sentence (and a guess at what was meant), no stack. */
function expectRefused({ code, stdout, stderr }: Ended, words: RegExp): void {
  expect([code, stdout], stderr).toEqual([3, '']);
  expect(stderr).toMatch(words);
  expect(stderr).toMatch(/^[^\n]+\n(\(Did you mean [^\n]+\)\n)?$/);
  expect(stderr).not.toMatch(/unexpected|\bat .*:\d+:\d+|node_modules/);
}

describe('bespoke specialize by itself', () => {
  it('does the main job on the embedded default, keeps its row, and leaves no process', async () => {
    const [model, report] = [place('alone.onnx'), place('alone.json')];
    const args = specializeArgs('--max-macs', '60000', '--label', 'target=kiosk', '-o', model, '--report', report);
    const row = jsonOf<Specialization>(await runCli(args, alone));
    expect(row).toMatchObject({ status: 'succeeded', request: { labels: { target: 'kiosk' }, seed: 1 } });
    expect(row.result?.measured.macs).toBeLessThanOrEqual(60_000);
    expect(sha256(await readFile(model))).toBe(row.result?.artifact.sha256);
    expect(JSON.parse(await readFile(report, 'utf8'))).toMatchObject({ id: row.id, artifact: row.result?.artifact });
    await nothingLeft(alone.dataDir);
    expect(await readdir(alone.dataDir)).not.toContain('bespoke.lock');

    const page = jsonOf<{ items: Specialization[] }>(await runCli(['--json', 'history'], alone));
    expect(page.items).toEqual([row]);
  });
});

describe('bespoke specialize beside a running server', () => {
  it('uses that server: the same row is there, and the same model', async () => {
    const model = place('beside.onnx');
    const ended = await runCli(specializeArgs('--max-params', '6000', '--seed', '3', '-o', model), beside);
    const row = jsonOf<Specialization>(ended);
    expect(await get(server.url, row.id)).toEqual(row);
    const response = await fetch(`${server.url}/v1/specializations/${row.id}/model.onnx`);
    expect(sha256(await readFile(model))).toBe(sha256(new Uint8Array(await response.arrayBuffer())));
    const shown = jsonOf<Specialization>(await runCli(['--json', 'show', row.id], beside));
    expect(shown).toEqual(row);
    // Another folder, but told where to look.
    const told = await runCli(
      ['--json', '--server', server.url, 'history', '--arch-id', row.result?.archId ?? ''],
      alone,
    );
    expect(jsonOf<{ items: Specialization[] }>(told).items.map(({ id }) => id)).toContain(row.id);
  });

  it('says without --json what was asked, predicted and measured', async () => {
    const args = specializeArgs('--max-macs', '50000', '-o', place('table.onnx')).slice(1);
    const { code, stdout } = await runCli(args, beside);
    expect(code).toBe(0);
    expect(stdout).toMatch(/constraint\s+predicted\s+measured/);
    expect(stdout).toMatch(/^MACs\s+50,000\s+[\d,]+\s+[\d,]+$/m);
    expect(stdout).toContain(place('table.onnx'));
  });

  it('ends with 1 and the nearest value when nothing is feasible, at once or after a search', async () => {
    const smallest = archCosts(TINY_SPACE, { ...minArch(TINY_SPACE), resolution: 8 }).macs;
    const atOnce = await runCli(specializeArgs('--max-macs', '1', '-o', place('none.onnx')), beside);
    expect([atOnce.code, atOnce.stdout]).toEqual([1, '']);
    expect(atOnce.stderr).toContain(`nearest maxMacs that can be met: ${smallest}`);
    const searched = await runCli(specializeArgs('--min-top1', '0.9999', '-o', place('none.onnx')), beside);
    // Refused at once where the engine is quick to say what the best can be, else by the job's own search.
    expect(searched.code).toBe(1);
    if (searched.stdout !== '')
      expect(jsonOf<Specialization>(searched, 1)).toMatchObject({
        status: 'failed',
        problem: { binding: ['minTop1'] },
      });
    expect(searched.stderr).toMatch(/nearest minTop1 that can be met: 0\.\d+/);
    expect(await readdir(scratch)).not.toContain('none.onnx');
  });

  it('cancels its job on Ctrl-C', async () => {
    const args = ['--json', 'specialize', '--evaluations', '1000000', '--max-macs', '60000', '--label', 'long=1'];
    const running = startCli([...args, '-o', place('never.onnx')], beside);
    const { id } = await until('the job runs', async () => {
      const page = await fetch(`${server.url}/v1/specializations?label=long=1&status=running`);
      return (await bodyOf<{ items: readonly Specialization[] }>(page)).items[0];
    });
    running.child.kill('SIGINT');
    const ended = await running.ended;
    expect(jsonOf<Specialization>(ended, 1).status).toBe('canceled');
    expect((await finished(server.url, id)).status).toBe('canceled');
  });
});

describe('bespoke cancel', () => {
  it('leaves a finished specialization as it is', async () => {
    const row = jsonOf<Specialization>(
      await runCli(specializeArgs('--max-macs', '70000', '-o', place('c.onnx')), beside),
    );
    expect(jsonOf<Specialization>(await runCli(['--json', 'cancel', row.id], beside))).toEqual(row);
  });
});

describe('commands that need no database', () => {
  it('count what the cost functions count, from a file or standard input, one architecture or many', async () => {
    const archs = [minArch(TINY_SPACE), maxArch(TINY_SPACE)];
    const [one, many] = [place('one.json'), place('many.json')];
    await Promise.all([writeFile(one, JSON.stringify(archs[0])), writeFile(many, JSON.stringify(archs))]);
    const expected = archs.map((arch) => {
      const { macs, params, modelBytes, peakMemoryBytes } = archCosts(TINY_SPACE, arch);
      return { macs, params, modelBytes, peakMemoryBytes };
    });
    const count = ['--json', 'count', '--space', TINY_SPACE.id, '--arch'];
    expect(jsonOf(await runCli([...count, many], alone))).toEqual(expected);
    expect(jsonOf(await runCli([...count, one], alone))).toEqual(expected.slice(0, 1));
  });

  it('list what there is', async () => {
    const spaces = jsonOf<{ id: string }[]>(await runCli(['--json', 'space', 'list'], alone));
    const published = ['ofa-mbv3-w1.0', 'ofa-mbv3-w1.2', 'ofa-proxyless-w1.3', 'ofa-resnet50'];
    expect(spaces.map(({ id }) => id).sort()).toEqual([TINY_SPACE.id, ...published].sort());
    const shown = jsonOf<{ subnetCount: string }>(await runCli(['--json', 'space', 'show', TINY_SPACE.id], alone));
    expect(shown.subnetCount).toBe('6044220'); // (9 + 9^2 + 9^3) x (9 + 9^2 + 9^3 + 9^4)
    const hardware = await runCli(['--json', 'hardware', 'list'], alone);
    expect(jsonOf(hardware)).toMatchObject([{ hardware: { id: 'local-cpu' }, spaceId: TINY_SPACE.id }]);
  });

  it('explain themselves', async () => {
    const { code, stdout } = await runCli(['specialize', '--help'], alone);
    expect(code).toBe(0);
    expect(stdout).toContain('--max-latency-ms');
  });
});

describe('input that cannot be used ends with 3 and one sentence', () => {
  it.each([
    ['a number that is none', ['specialize', '--max-macs', 'many'], /max-macs.*many/],
    ['an accuracy in percent', ['specialize', '--min-top1', '92'], /min-top1.*0 to 1/],
    ['no limit at all', ['specialize'], /at least one limit/],
    ['an unknown option', ['specialize', '--max-watts', '5'], /max-watts/],
    ['an unknown command', ['specialise'], /specialise/],
    ['an unknown supernet', ['specialize', '--max-macs', '60000', '--supernet', 'resnet'], /resnet.*tiny/],
    ['an id that is not there', ['show', '00000000-0000-4000-8000-000000000000'], /no specialization/],
    ['an unknown space', ['count', '--space', 'nowhere', '--arch', '-'], /nowhere.*tiny-space/],
    ['a file that is not there', ['count', '--space', 'tiny-space', '--arch', '/nowhere.json'], /nowhere\.json/],
    ['an unknown bundle', ['extract', '--supernet', 'resnet', '--arch', '-'], /resnet/],
    ['a missing option', ['extract', '--supernet', 'tiny'], /--arch/],
    ['a server that is not there', ['--server', 'http://127.0.0.1:9', 'history'], /127\.0\.0\.1:9/],
    ['a server address that is none', ['--server', 'localhost', 'history'], /localhost/],
  ] as const)('%s', async (_, args, words) => {
    expectRefused(await runCli(args, beside), words);
  });

  it('files that do not hold what they should', async () => {
    const [broken, wrong, foreign] = [place('broken.json'), place('wrong.json'), place('foreign.json')];
    await writeFile(broken, '{"kernelSizes":');
    await writeFile(wrong, '{"hello":1}');
    await writeFile(foreign, JSON.stringify({ ...minArch(TINY_SPACE), resolution: 224 }));
    for (const [file, words] of [
      [broken, /broken\.json.*JSON/],
      [wrong, /wrong\.json/],
      [foreign, /224/],
    ] as const)
      expectRefused(
        await runCli(['extract', '--supernet', 'tiny', '--arch', file, '-o', place('x.onnx')], alone),
        words,
      );
  });

  it('a place that cannot be written', async () => {
    const args = specializeArgs('--max-macs', '60000', '-o', place('no/such/folder/model.onnx'));
    const { code, stderr } = await runCli(args, beside);
    expect(code).toBe(3);
    expect(stderr).toMatch(/"[^"]*no\/such\/folder\/model\.onnx" cannot be written/);
  });
});
