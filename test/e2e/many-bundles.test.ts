import { cp, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ProblemBody } from '../../src/client/client.js';
import { type EngineClient, makeEngineClient } from '../../src/engine-client.js';
import type { components } from '../../src/generated/openapi.js';
import { minArch } from '../../src/space/arch.js';
import {
  bodyOf,
  type CliOptions,
  endAll,
  engineOf,
  HAS_PROC,
  post,
  runCli,
  type ServerProcess,
  startServer,
  until,
} from '../helpers/server-process.js';
import { saveTinyProfile, TINY_SPACE, UNMEASURED, writeTinyBundle } from '../helpers/tiny-bundle.js';

// Real processes: on a busy machine the start of each can take many seconds.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

type SupernetList = components['schemas']['SupernetList'];

/** Two bundles that are whole, one cut short, one with a wrong bit that only its sha256 tells, and a folder that is none. */
let scratch: string;
let options: CliOptions;
/** Bytes of the files that the card of a whole bundle lists. */
let bundleBytes: number;

async function bytesOf(dir: string): Promise<number> {
  const card = JSON.parse(await readFile(join(dir, 'bundle.json'), 'utf8')) as { readonly files: object };
  const sizes = await Promise.all(Object.keys(card.files).map(async (name) => (await stat(join(dir, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-e2e-'));
  options = { dataDir: join(scratch, 'data'), models: join(scratch, 'models') };
  const [first] = await Promise.all([
    writeTinyBundle(options.models, { id: 'first', seed: 1 }),
    writeTinyBundle(options.models, { id: 'second', seed: 2 }),
    writeTinyBundle(options.models, { id: 'third', seed: 3 }),
    saveTinyProfile(options.dataDir),
  ]);
  bundleBytes = await bytesOf(first);
  const short = await writeTinyBundle(options.models, { id: 'cut-short', seed: 4 });
  await truncate(join(short, 'weights.safetensors'), 50_000);
  const flipped = await writeTinyBundle(options.models, { id: 'flipped', seed: 5 });
  const file = await open(join(flipped, 'weights.safetensors'), 'r+');
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 50_000);
  await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, 50_000);
  await file.close();
  const garbled = join(options.models, 'garbled');
  await cp(first, garbled, { recursive: true });
  await writeFile(join(garbled, 'bundle.json'), '{"schema": 1,');
});
afterAll(async () => {
  await endAll(scratch);
  await rm(scratch, { recursive: true, force: true });
});

describe('the numeric process with several bundles', () => {
  let engine: EngineClient;
  let broken: string[];
  const estimate = (supernetId: string) =>
    engine.estimate(
      { supernetId, hardwareId: 'local-cpu', archs: [minArch(TINY_SPACE)], constraints: {} },
      new AbortController().signal,
    );
  const held = async (): Promise<readonly string[]> => (await engine.memory()).held.map(({ id }) => id);

  beforeEach(async () => {
    broken = [];
    const bundleMemoryBytes = Math.round(2.5 * bundleBytes); // room for two
    engine = makeEngineClient({ modelDirs: [options.models], dataDir: options.dataDir, bundleMemoryBytes }, (id) =>
      broken.push(id),
    );
    const { supernets, refused } = await engine.load(() => {});
    expect(supernets.map(({ id }) => id).sort()).toEqual(['first', 'flipped', 'second', 'third']);
    expect(refused.map(({ id }) => id).sort()).toEqual(['cut-short', 'garbled']);
  });
  afterEach(() => engine.close());

  it('loads none of them at its start, each at its first use, and releases the one that was used longest ago', async () => {
    expect(await engine.memory()).toMatchObject({ heldBytes: 0, held: [], loaded: 0, released: 0 });
    const before = await estimate('first');
    expect(await engine.memory()).toMatchObject({ heldBytes: bundleBytes, loaded: 1, released: 0 });
    await estimate('second');
    await estimate('first');
    expect(await held()).toEqual(['second', 'first']);
    await estimate('third');
    expect(await held()).toEqual(['first', 'third']);
    expect(await engine.memory()).toMatchObject({ heldBytes: 2 * bundleBytes, loaded: 3, released: 1 });
    // One that is loaded again answers as before.
    await estimate('second');
    await estimate('third');
    expect(await held()).toEqual(['second', 'third']);
    expect(await estimate('first')).toEqual(before);
    expect(await engine.memory()).toMatchObject({ heldBytes: 2 * bundleBytes, loaded: 5, released: 3 });
  });

  it('refuses at its first use the one whose bytes are not those that were written, and goes on with the others', async () => {
    await expect(estimate('flipped')).rejects.toThrow(
      /weights\.safetensors is not the file that was written: expected sha256/,
    );
    expect(broken).toEqual(['flipped']);
    expect([...engine.broken().keys()]).toEqual(['flipped']);
    expect(await held()).not.toContain('flipped');
    await estimate('first');
  });
});

describe.skipIf(!HAS_PROC)('a numeric process that has done a job (needs /proc)', () => {
  it('is replaced by a fresh one, and whoever asks meanwhile is answered', async () => {
    const { dataDir } = options;
    const settings = { modelDirs: [options.models], dataDir, bundleMemoryBytes: 2 * bundleBytes };
    const engine = makeEngineClient(settings, () => {}, 10);
    const { signal } = new AbortController();
    const asked = { supernetId: 'first', hardwareId: 'local-cpu' };
    const estimate = () => engine.estimate({ ...asked, archs: [minArch(TINY_SPACE)], constraints: {} }, signal);
    const ask = async (): Promise<boolean> => (await estimate()).candidates.length === 1;
    try {
      const before = await estimate();
      const old = engineOf(process.pid);
      const request = { ...UNMEASURED, ...asked };
      const claim = { id: 'a', attempt: 1, request, createdAt: '2026-01-01T00:00:00.000Z' };
      const { status } = await engine.specialize(claim, { signal, onProgress: () => {} });
      expect(status).toBe('succeeded');
      // The first engine that is found may be the old one as long as both are there.
      await until('a fresh process', async () => (await ask()) && engineOf(process.pid) !== old);
      expect(await estimate()).toEqual(before);
    } finally {
      engine.close();
    }
  });
});

describe('a bundle that is made anew while it is served', () => {
  it('is refused at its next loading: what was told of it is no longer true', async () => {
    const models = join(scratch, 'changing');
    await writeTinyBundle(models, { id: 'kept', seed: 1 });
    await writeTinyBundle(models, { id: 'changed', seed: 1 });
    const { dataDir } = options;
    const engine = makeEngineClient({ modelDirs: [models], dataDir, bundleMemoryBytes: bundleBytes });
    try {
      await engine.load(() => {});
      await writeTinyBundle(models, { id: 'changed', seed: 1, calibrationImages: 32 });
      const asked = { supernetId: 'changed', hardwareId: 'local-cpu', archs: [minArch(TINY_SPACE)], constraints: {} };
      await expect(engine.estimate(asked, new AbortController().signal)).rejects.toThrow(
        /changed" has changed since this server started; start it again/,
      );
    } finally {
      engine.close();
    }
  });
});

describe('a server with several bundles', () => {
  let server: ServerProcess;
  beforeAll(async () => {
    server = await startServer(options);
  });
  afterAll(() => server.stop());

  const search = {
    constraints: { maxMacs: 60_000 },
    search: { evaluations: 1000 },
    verify: { latency: 'skip' },
  } as const;
  const list = async (): Promise<SupernetList> => bodyOf(await fetch(`${server.url}/v1/supernets`));

  it('names what it refused, with the reason, and is ready', async () => {
    const { items, refused } = await list();
    expect(items.map(({ id }) => id).sort()).toEqual(['first', 'flipped', 'second', 'third']);
    const reasons = Object.fromEntries(refused.map(({ id, problem }) => [id, problem.detail]));
    // The one with a wrong bit joins them once it was asked for.
    expect(
      Object.keys(reasons)
        .filter((id) => id !== 'flipped')
        .sort(),
    ).toEqual(['cut-short', 'garbled']);
    expect(reasons['cut-short']).toMatch(/weights\.safetensors .*byte \d+ of the data/);
    expect(reasons.garbled).toMatch(/bundle\.json is not JSON/);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    expect(server.stderr()).toMatch(/bundle refused: .*cut-short/);
  });

  it('answers a request for a refused one with the reason', async () => {
    const response = await fetch(`${server.url}/v1/specializations`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ supernetId: 'cut-short', ...search }),
    });
    const problem = await bodyOf<ProblemBody>(response);
    expect({ status: response.status, code: problem.code }).toEqual({ status: 503, code: 'bundle-invalid' });
    expect(problem.detail).toMatch(/cut-short" cannot be loaded: weights\.safetensors/);
  });

  it('specializes each of the others, and fails a job of a broken one with its reason, which it lists from then on', async () => {
    for (const supernetId of ['first', 'third']) {
      const row = await post(server.url, { supernetId, ...search }, 60);
      expect(row).toMatchObject({ status: 'succeeded', request: { supernetId } });
    }
    const failed = await post(server.url, { supernetId: 'flipped', ...search }, 60);
    expect(failed).toMatchObject({ status: 'failed', problem: { code: 'bundle-invalid' } });
    expect(failed.problem?.detail).toMatch(/weights\.safetensors is not the file that was written/);
    expect((await list()).refused.map(({ id }) => id)).toContain('flipped');
    expect(server.stderr()).toMatch(/bundle refused: .*flipped/);
  });
});

describe('bespoke supernet list', () => {
  it('shows every bundle and what is refused with its reason; with --verify after reading every byte', async () => {
    const quick = await runCli(['supernet', 'list'], options);
    expect(quick.code).toBe(0);
    for (const id of ['first', 'second', 'third', 'flipped'])
      expect(quick.stdout).toMatch(new RegExp(`^${id} +tiny-space`, 'm'));
    expect(quick.stdout).toMatch(/^refused +cut-short: .*weights\.safetensors/m);
    expect(quick.stdout).toMatch(/^refused +garbled: .*bundle\.json is not JSON/m);
    const whole = await runCli(['--json', 'supernet', 'list', '--verify'], options);
    const json = JSON.parse(whole.stdout) as { items: { id: string }[]; refused: { id: string }[] };
    expect(json.items.map(({ id }) => id).sort()).toEqual(['first', 'second', 'third']);
    expect(json.refused.map(({ id }) => id).sort()).toEqual(['cut-short', 'flipped', 'garbled']);
  });
});
