import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { CreateSpecialization } from '../../src/client/client.js';
import { sha256 } from '../../src/common/hash.js';
import { decodeModel } from '../../src/onnx/codec.js';
import { parseSpace } from '../../src/space/parse-space.js';
import { type CliOptions, type Ended, endAll, post, runCli, startServer } from '../helpers/server-process.js';
import { writeShapeImages } from '../helpers/shape-images.js';
import { saveTinyProfile } from '../helpers/tiny-bundle.js';
import { readText } from './source-files.js';

// The whole way of docs/own-data.md as processes: seconds each, more on a busy machine.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 60_000 });

const page = readText('docs/own-data.md');
/** Lines of the page's shell blocks. */
const lines = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, body = '']) => body.trim().split('\n'));

/** What the page's sizes become here: every one has to be in a command, so that the page and this list stay in step. */
const SMALLER: readonly (readonly [string, string])[] = [
  ['--size 64', '--size 16'],
  ['--epochs 50', '--epochs 1'],
  ['--archs 2500', '--archs 30'],
];
const PER_CLASS = 70;
/** What the page's folders and files are here. */
const PLACES = [
  'photos',
  'photos-space.json',
  'cifar-space.json',
  'models/photos',
  'models',
  'served/photos',
  'model.onnx',
];

let scratch: string;
let cli: CliOptions;
const used = new Set<string>();

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-own-data-'));
  cli = { dataDir: join(scratch, 'data'), models: join(scratch, 'models') };
  await writeShapeImages(join(scratch, 'photos'), PER_CLASS, 18);
});
afterAll(async () => {
  await endAll(scratch);
  await rm(scratch, { recursive: true, force: true });
});

/** The arguments of a line of the page, at this test's sizes and places. */
function argumentsOf(line: string): string[] {
  const smaller = SMALLER.reduce((text, [from, to]) => {
    if (text.includes(from)) used.add(from);
    return text.replace(from, to);
  }, line);
  const words = [...smaller.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  return words.slice(1).map((word, i) => {
    const isId = ['--supernet', '--id'].includes(words[i] ?? '') && !word.includes('/');
    return PLACES.includes(word) && !isId ? join(scratch, word) : word;
  });
}

async function succeeds(line: string): Promise<Ended> {
  const ended = await runCli(argumentsOf(line), cli);
  expect(ended.code, `${line}\n${ended.stderr}`).toBe(0);
  return ended;
}

const lineOf = (start: string): string => lines.find((line) => line.startsWith(start)) ?? `${start} is not on the page`;

describe('docs/own-data.md', () => {
  it('leads from a folder of images to a measured network, command by command', async () => {
    const run = lines.filter((line) => !/^(curl|bespoke (serve|specialize|evaluate)) /.test(line));
    const outputs = new Map<string, Ended>();
    for (const line of run) outputs.set(line, await succeeds(line));
    expect(outputs.get(lineOf('bespoke dataset'))?.stdout).toMatch(
      /210 images of 3 classes, RGB, shorter side 18 pixels/,
    );
    const trained = outputs.get(lineOf('bespoke train'))?.stderr ?? '';
    expect(trained).toMatch(/circle +56 +7 +7\n/);
    const bundle = JSON.parse(await readFile(join(scratch, 'models/photos/bundle.json'), 'utf8'));
    expect(bundle).toMatchObject({ id: 'photos', classNames: ['circle', 'cross', 'square'] });
    const copy = JSON.parse(await readFile(join(scratch, 'served/photos/bundle.json'), 'utf8'));
    expect(copy).toMatchObject({ id: 'photos', title: 'Cats and dogs', input: bundle.input });
    expect(copy.files['weights.safetensors']).toBe(bundle.files['weights.safetensors']);

    const spacePath = join(scratch, 'photos-space.json');
    const space = parseSpace(JSON.parse(await readFile(spacePath, 'utf8')), spacePath);
    await saveTinyProfile(cli.dataDir, space); // instead of measuring the machine
    const server = await startServer(cli, argumentsOf(lineOf('bespoke serve')).slice(1));
    const body = /-d '([^']*)'/.exec(lineOf('curl'))?.[1] ?? '';
    const row = await post(server.url, JSON.parse(body) as CreateSpecialization, 60);
    expect(row.problem).toBeNull();
    expect(row).toMatchObject({ status: 'succeeded', request: { supernetId: 'photos' } });
    expect(row.result?.measured.top1Images).toBe(21);
    expect(row.result?.measured.measuredLatency?.p50Ms).toBeGreaterThan(0);
    const response = await fetch(`${server.url}/v1/specializations/${row.id}/model.onnx`);
    const model = new Uint8Array(await response.arrayBuffer());
    expect(sha256(model)).toBe(row.result?.artifact.sha256);
    const { metadata } = decodeModel(model);
    expect(JSON.parse(metadata['bespoke.classes'] ?? '')).toEqual(['circle', 'cross', 'square']);
    expect(JSON.parse(metadata['bespoke.input'] ?? '')).toMatchObject({ mean: bundle.input.mean, channelOrder: 'rgb' });

    await succeeds(lineOf('bespoke specialize')); // beside the server: through it
    await server.stop();
    const { stdout } = await succeeds(lineOf('bespoke evaluate'));
    expect(stdout).toMatch(/top-1 [\d.]+ % on 210 images/);
    expect([...used].sort()).toEqual(SMALLER.map(([from]) => from).sort());
  });
});
