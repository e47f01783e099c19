import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Specialization } from '../../src/client/client.js';
import { sha256 } from '../../src/common/hash.js';
import { parseLookupTable } from '../../src/hardware/lookup-table.js';
import { createSession } from '../../src/runtime/session.js';
import type { Arch } from '../../src/space/types.js';
import type { Report } from '../../src/specialize/types.js';
import { filled } from '../../src/tensor/tensor.js';
import { mobile, walkedLatency } from '../helpers/lookup-tables.js';
import { hasReference, REFERENCE, referenceText } from '../helpers/reference.js';
import { bodyOf, type CliOptions, endAll, post, runCli, startServer } from '../helpers/server-process.js';
import { MBV3_W12 } from '../unit/space/published-spaces.js';

// Real processes and networks of ImageNet's size: on a busy machine each step can take many seconds.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const SIDES = [160, 176, 192, 208, 224];
const OFFICIAL = join(REFERENCE, 'official');
const BUDGET_MS = 25;

describe.skipIf(!hasReference('official/note10'))(
  'the published predictor and tables with a supernet of random weights',
  () => {
    let scratch: string;
    let options: CliOptions;
    const run = async (...args: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await runCli(args, options);
      expect(code, stderr).toBe(0);
      return stdout;
    };
    beforeAll(async () => {
      scratch = await mkdtemp(join(tmpdir(), 'bespoke-e2e-'));
      options = { dataDir: join(scratch, 'data'), models: join(scratch, 'models') };
      const bundle = join(options.models, 'w12');
      await run('supernet', 'init', '--space', 'ofa-mbv3-w1.2', '--seed', '1', '--out', bundle);
      await run(
        'predictor',
        'import',
        join(OFFICIAL, 'acc_predictor.pth'),
        '--space',
        'ofa-mbv3-w1.2',
        '--out',
        bundle,
      );
      const tables = SIDES.map((side) => join(OFFICIAL, 'note10', `${side}_lookup_table.yaml`));
      await run('hardware', 'import', ...tables, '--id', 'note10');
    });
    afterAll(async () => {
      await endAll(scratch);
      await rm(scratch, { recursive: true, force: true });
    });

    /** The latency by the published formula, walked over the tables themselves. */
    const published = (arch: Arch): number => {
      const text = referenceText(`official/note10/${arch.resolution}_lookup_table.yaml`);
      const tables = new Map([[arch.resolution, parseLookupTable(text, 'table')]]);
      return walkedLatency(mobile(MBV3_W12), arch, { tables, form: 'hidden' });
    };

    it('a search alone keeps 25 ms by the published formula', async () => {
      const out = await run(
        ...['search', '--json', '--space', 'ofa-mbv3-w1.2', '--predictor', join(OFFICIAL, 'acc_predictor.pth')],
        ...['--hardware', 'note10', '--max-latency-ms', String(BUDGET_MS)],
      );
      const { best } = JSON.parse(out) as { best: { arch: Arch; predictedTop1: number; predictedLatencyMs: number } };
      expect(published(best.arch)).toBeLessThanOrEqual(BUDGET_MS);
      expect(best.predictedLatencyMs).toBeCloseTo(published(best.arch), 9);
      // What the published search reaches at as many evaluations, in the mean of ten seeds.
      const { results } = JSON.parse(referenceText('official/ea-note10.json')) as {
        results: readonly { capMs: number; mean: number }[];
      };
      expect(best.predictedTop1).toBeGreaterThan(results.find(({ capMs }) => capMs === BUDGET_MS)!.mean);
    });

    it('a specialization gives ONNX and a report, over HTTP and from the command line the same', async () => {
      const files = { model: join(scratch, 'model.onnx'), report: join(scratch, 'report.json') };
      // The command alone, with a server of its own that ends with it; then a server, which must not answer from what is stored.
      const own = JSON.parse(
        await run(
          ...['specialize', '--json', '--hardware', 'note10', '--max-latency-ms', String(BUDGET_MS)],
          ...['--evaluations', '5000', '-o', files.model, '--report', files.report],
        ),
      ) as Specialization;
      const server = await startServer(options);
      const body = {
        hardwareId: 'note10',
        constraints: { maxLatencyMs: BUDGET_MS },
        search: { evaluations: 5000, fresh: true },
      };
      const row = await post(server.url, body, 120);
      expect(row).toMatchObject({ status: 'succeeded' });
      const arch = row.result!.predicted.arch as Arch;
      expect(published(arch)).toBeLessThanOrEqual(BUDGET_MS);
      expect(row.result?.predicted.predictedLatencyMs).toBeCloseTo(published(arch), 9);
      expect(row.result?.measured.measuredLatency).toBeUndefined();
      expect(own.result?.artifact.sha256).toBe(row.result?.artifact.sha256);
      const report = JSON.parse(await readFile(files.report, 'utf8')) as Report;
      expect(report.checks.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
      expect(report.checks.find(({ id }) => id === 'maxLatencyMs')?.detail).toMatch(
        /predicted, not measured: .*"note10"/,
      );
      const model = new Uint8Array(await readFile(files.model));
      expect(sha256(model)).toBe(row.result?.artifact.sha256);
      const session = await createSession(model, { threads: 1, optimization: 'all' });
      const { logits } = await session.run({ input: filled([1, 3, arch.resolution, arch.resolution], 0.5) });
      await session.release();
      expect(logits!.dims).toEqual([1, 1000]);
      expect(Array.from(logits!.data as Float32Array).every(Number.isFinite)).toBe(true);
      const listed = await bodyOf<{ items: readonly { id: string }[] }>(await fetch(`${server.url}/v1/hardware`));
      expect(listed.items.map(({ id }) => id)).toContain('note10');
    });
  },
);
