import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { CreateSpecialization, Specialization } from '../../src/client/client.js';
import { sha256 } from '../../src/common/hash.js';
import { minArch } from '../../src/space/arch.js';
import { archCosts } from '../../src/space/costs.js';
import type { Report } from '../../src/specialize/types.js';
import {
  bodyOf,
  type CliOptions,
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

/** Only one architecture has as few parameters at this resolution: whoever searches finds that one. */
const smallest = archCosts(TINY_SPACE, minArch(TINY_SPACE));
const FORCED: CreateSpecialization = {
  constraints: { maxParams: smallest.params },
  resolutions: [12],
  search: { evaluations: 1000, fresh: true },
};
/** A search with a choice. Fresh: a stored answer would be the same without showing anything. */
const OPEN: CreateSpecialization = {
  constraints: { maxMacs: 60_000, maxModelBytes: 40_000 },
  seed: 5,
  search: { evaluations: 5000, fresh: true },
  verify: { latency: 'skip' },
};

interface Results {
  readonly forced: readonly Specialization[];
  readonly open: Specialization;
  readonly openReport: Report;
  readonly model: Uint8Array;
}

const shaOf = ({ status, result, problem }: Specialization): string => {
  if (result === null || result === undefined) throw new Error(`${status}: ${JSON.stringify(problem)}`);
  return result.artifact.sha256;
};

/** The same work for each process. */
async function work({ url }: ServerProcess): Promise<Results> {
  const skip = { latency: 'skip' as const };
  const requests: CreateSpecialization[] = [
    FORCED,
    { ...FORCED, seed: 99 },
    {
      ...FORCED,
      constraints: { ...FORCED.constraints, maxMacs: 1_000_000 },
      labels: { other: 'request' },
      verify: skip,
    },
  ];
  const forced: Specialization[] = [];
  for (const body of requests) forced.push(await post(url, body, 60));
  const open = await post(url, OPEN, 60);
  const openReport = await bodyOf<Report>(await fetch(`${url}/v1/specializations/${open.id}/report`));
  const model = await fetch(`${url}/v1/specializations/${forced[0]?.id}/model.onnx`);
  return { forced, open, openReport, model: new Uint8Array(await model.arrayBuffer()) };
}

let first: Results;
let second: Results;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-e2e-'));
  options = { dataDir: join(scratch, 'data'), models: join(scratch, 'models') };
  await Promise.all([writeTinyBundle(options.models), saveTinyProfile(options.dataDir)]);
  for (const take of [(results: Results) => (first = results), (results: Results) => (second = results)]) {
    const server = await startServer(options);
    take(await work(server));
    await server.stop();
  }
});
afterAll(async () => {
  await endAll(scratch);
  await rm(scratch, { recursive: true, force: true });
});

describe('the same architecture from the same bundle', () => {
  it('has the same bytes, whatever request, seed and process it came from', () => {
    const shas = [...first.forced, ...second.forced].map(shaOf);
    expect(first.forced[0]?.result?.measured.params).toBe(smallest.params);
    expect(new Set(shas).size).toBe(1);
    expect(sha256(first.model)).toBe(shas[0]);
    expect(sha256(second.model)).toBe(shas[0]);
    expect(shaOf(first.open)).not.toBe(shas[0]);
  });

  it('has them from the command line, by both spellings, without a server', async () => {
    const arch = first.forced[0]?.result?.arch;
    if (arch === undefined) throw new Error('no architecture');
    const { kernelSizes, expandRatios, depths, resolution } = arch;
    const spellings = [arch, { ks: kernelSizes, e: expandRatios, d: depths, r: [resolution] }];
    for (const [index, spelling] of spellings.entries()) {
      const [file, out] = [join(scratch, `arch-${index}.json`), join(scratch, `extracted-${index}.onnx`)];
      await writeFile(file, JSON.stringify(spelling));
      const ended = await runCli(['--json', 'extract', '--supernet', 'tiny', '--arch', file, '-o', out], options);
      expect(ended.code, ended.stderr).toBe(0);
      const { measured } = first.forced[0]?.result ?? {};
      expect(JSON.parse(ended.stdout)).toMatchObject({
        macs: measured?.macs,
        params: measured?.params,
        modelParams: measured?.modelParams,
        modelBytes: measured?.modelBytes,
        out,
      });
      expect(sha256(await readFile(out))).toBe(sha256(first.model));
    }
  });
});

describe('the same search inputs', () => {
  it('give the same result in another process', () => {
    const searched = ({ delivered, paretoFront, searchHistory, rejected, checks }: Report) => ({
      delivered,
      paretoFront,
      searchHistory,
      rejected,
      checks,
    });
    expect(searched(second.openReport)).toEqual(searched(first.openReport));
    expect(shaOf(second.open)).toBe(shaOf(first.open));
    expect(first.openReport.paretoFront.length).toBeGreaterThan(3);
  });

  it('give it on the command line, too', async () => {
    const predictor = join(options.models, 'tiny');
    const args = ['--space', join(predictor, 'space.json'), '--predictor', predictor, '--hardware', 'local-cpu'];
    const limits = ['--max-macs', '60000', '--max-model-bytes', '40000', '--seed', '5', '--evaluations', '5000'];
    const ended = await runCli(['--json', 'search', ...args, ...limits], options);
    expect(ended.code, ended.stderr).toBe(0);
    const { best, paretoFront, evaluations } = JSON.parse(ended.stdout);
    expect(paretoFront).toEqual(first.openReport.paretoFront);
    expect(best).toEqual(first.openReport.delivered);
    expect(evaluations).toBe(5000);
  });
});
