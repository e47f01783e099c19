import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Specialization } from '../../src/client/client.js';
import { makeRng } from '../../src/common/rng.js';
import { distinctBlocks } from '../../src/hardware/blocks.js';
import { makeLatencyModel } from '../../src/hardware/latency-model.js';
import { parseProfile } from '../../src/hardware/profile-file.js';
import { publishedKeys } from '../../src/hardware/published-keys.js';
import { maxArch, minArch } from '../../src/space/arch.js';
import type { Report } from '../../src/specialize/types.js';
import { tableText } from '../helpers/lookup-tables.js';
import {
  bodyOf,
  type CliOptions,
  type Ended,
  endAll,
  post,
  runCli,
  type ServerProcess,
  startServer,
} from '../helpers/server-process.js';
import { saveTinyProfile, TINY_SPACE, writeTinyBundle } from '../helpers/tiny-bundle.js';

// Real processes: on a busy machine the start of each can take many seconds.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let scratch: string;
let options: CliOptions;
let server: ServerProcess;
let imported: Ended;

const files = () => TINY_SPACE.resolutions.map((side) => join(scratch, `${side}_lookup_table.yaml`));
/** A latency that about half of the networks keep. */
let budgetMs: number;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-e2e-'));
  options = { dataDir: join(scratch, 'data'), models: join(scratch, 'models') };
  await Promise.all([writeTinyBundle(options.models), saveTinyProfile(options.dataDir)]);
  for (const [i, side] of TINY_SPACE.resolutions.entries()) {
    const rng = makeRng(side);
    const blocks = [...distinctBlocks(TINY_SPACE, [side]).values()];
    const keys = new Set(blocks.flatMap((layers) => publishedKeys(TINY_SPACE, layers, 'hidden')));
    await writeFile(files()[i]!, tableText(new Map([...keys].map((key) => [key, 1 + rng.next()]))));
  }
  imported = await runCli(['hardware', 'import', ...files(), '--id', 'phone', '--name', 'A phone', '--json'], options);
  const path = join(options.dataDir, 'hardware', 'phone@tiny-space.latency.json');
  const model = makeLatencyModel(TINY_SPACE, parseProfile(await readFile(path, 'utf8'), path));
  const ends = model.predict([minArch(TINY_SPACE), maxArch(TINY_SPACE)]);
  budgetMs = (ends[0]! + ends[1]!) / 2;
  server = await startServer(options);
});
afterAll(async () => {
  await endAll(scratch);
  await rm(scratch, { recursive: true, force: true });
});

const asked = (constraints: object, more: object = {}) => ({
  hardwareId: 'phone',
  constraints,
  search: { evaluations: 2000 },
  ...more,
});
const postRaw = (body: object): Promise<Response> =>
  fetch(`${server.url}/v1/specializations`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });

describe('imported tables as a hardware type', () => {
  it('are found to be of the space that they fit', () => {
    expect(imported.code).toBe(0);
    expect(JSON.parse(imported.stdout)).toMatchObject([
      {
        spaceId: 'tiny-space',
        statistic: 'mean',
        resolutions: [8, 12],
        hardware: { id: 'phone', provenance: 'table' },
      },
    ]);
  });

  it('are listed beside this machine, and shown with their files', async () => {
    const { items } = await bodyOf<{ items: { id: string }[] }>(await fetch(`${server.url}/v1/hardware`));
    expect(items.map(({ id }) => id)).toEqual(['local-cpu', 'phone']);
    const phone = await bodyOf<object>(await fetch(`${server.url}/v1/hardware/phone`));
    expect(phone).toMatchObject({
      name: 'A phone',
      provenance: 'table',
      isHere: false,
      latencyModels: [
        {
          spaceId: 'tiny-space',
          statistics: ['mean'],
          resolutions: [8, 12],
          sources: [{ resolution: 8 }, { resolution: 12 }],
        },
      ],
    });
    const shown = await runCli(['hardware', 'show', 'phone'], options);
    expect(shown.stdout).toMatch(
      /A phone.*\n.*table\n[\s\S]*statistic +mean[\s\S]*not known[\s\S]*12_lookup_table.yaml/,
    );
  });

  it('give a network within the budget, whose latency is predicted and not measured', async () => {
    const row = await post(server.url, asked({ maxLatencyMs: budgetMs }), 60);
    expect(row).toMatchObject({
      status: 'succeeded',
      request: { hardwareId: 'phone', constraints: { latencyStatistic: 'mean' } },
    });
    expect(row.result?.predicted.predictedLatencyMs).toBeLessThanOrEqual(budgetMs);
    expect(row.result?.measured.measuredLatency).toBeUndefined();
    expect(row.result?.checks.find(({ id }) => id === 'maxLatencyMs')).toMatchObject({
      outcome: 'notMeasured',
      detail: 'the latency is predicted, not measured: this machine is not "phone", and there is no such device here',
    });
    const path = `${server.url}/v1/specializations/${row.id}/report`;
    const report = await bodyOf<Report>(await fetch(path));
    expect(report.hardware).toMatchObject({ id: 'phone', name: 'A phone', provenance: 'table', statistic: 'mean' });
    expect(report.hardware.errorPercent).toBeUndefined();
    const layers = report.layers.reduce((sum, { latencyMs = 0 }) => sum + latencyMs, 0);
    expect(layers).toBeCloseTo(report.delivered.predictedLatencyMs!, 9);
    const page = await (await fetch(path, { headers: { Accept: 'text/html' } })).text();
    expect(page).toContain('error not known');
  });

  it('refuse at once what they cannot tell: another statistic, a budget below every network', async () => {
    const statistic = await postRaw(asked({ maxLatencyMs: budgetMs, latencyStatistic: 'p99' }));
    expect([statistic.status, await statistic.json()]).toMatchObject([
      422,
      { code: 'no-latency-data', detail: expect.stringMatching(/cannot give the p99 .* it gives mean/) },
    ]);
    const infeasible = await postRaw(asked({ maxLatencyMs: 0.5 }));
    const problem = await bodyOf<{ nearestFeasible: { maxLatencyMs: number } }>(infeasible);
    expect([infeasible.status, problem]).toMatchObject([
      422,
      { code: 'infeasible-constraints', binding: ['maxLatencyMs'] },
    ]);
    const nearest = await post(server.url, asked({ maxLatencyMs: problem.nearestFeasible.maxLatencyMs + 1e-9 }), 60);
    expect(nearest.status).toBe('succeeded');
  });

  it('serve a search alone, by their id and by a profile file', async () => {
    const profile = join(scratch, 'phone.json');
    const out = await runCli(['hardware', 'import', ...files(), '--id', 'phone', '--out', profile], options);
    expect(out.code).toBe(0);
    const search = (hardware: string): Promise<Ended> =>
      runCli(
        [
          'search',
          '--json',
          '--space',
          'tiny-space',
          '--predictor',
          join(options.models, 'tiny'),
          '--hardware',
          hardware,
          '--max-latency-ms',
          String(budgetMs),
          '--evaluations',
          '2000',
        ],
        options,
      );
    const found = await Promise.all([search('phone'), search(profile)]);
    const [best, same] = found.map(
      ({ stdout }) => (JSON.parse(stdout) as { best: NonNullable<Specialization['result']>['predicted'] }).best,
    );
    expect(best?.predictedLatencyMs).toBeLessThanOrEqual(budgetMs);
    expect(same).toEqual(best);
  });

  it('are refused in one sentence where they cannot be a hardware type', async () => {
    const [first = ''] = files();
    const page = join(scratch, '8_page.yaml');
    await writeFile(page, '<!doctype html><title>Not found</title>');
    for (const [args, sentence] of [
      [[page, '--id', 'x'], /8_page.yaml" is no latency lookup table: it is a web page/],
      [[first, first, '--id', 'x'], /are both for the resolution 8; give one/],
      [[...files(), '--id', 'x', '--resolution', '8'], /--resolution is for one file, got 2/],
      [
        [first, '--id', 'x', '--resolution', '12'],
        /was given as the table of the resolution 12, but its stem is timed at 8/,
      ],
      [[first, '--id', 'local-cpu'], /--id must not be "local-cpu"/],
      [[first, '--id', '../x'], /--id must be 1 to 64 letters/],
      [[first, '--id', 'x', '--space', 'ofa-mbv3-w1.0'], /not of the space "ofa-mbv3-w1.0": they are of "tiny-space"/],
      [[first, '--id', 'x', '--space', 'ofa-resnet50'], /not of the space "ofa-resnet50"/],
      [[join(scratch, 'nowhere.yaml'), '--id', 'x'], /nowhere.yaml" cannot be read \(ENOENT\)/],
    ] as const) {
      const { code, stdout, stderr } = await runCli(['hardware', 'import', ...args], options);
      expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
      expect(stderr.trim()).toMatch(sentence);
      expect(stderr.trim().split('\n')).toHaveLength(1);
    }
  });
});
