import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { minArch } from '../../src/space/arch.js';
import { loadBundle } from '../../src/supernet/bundle.js';
import { type CliOptions, runCli } from '../helpers/server-process.js';
import { writeShapeImages } from '../helpers/shape-images.js';
import { tinySpace } from '../helpers/supernets.js';

// Each command is a process; on a busy machine its start alone can take seconds.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let scratch: string;
let options: CliOptions;
let spaceFile: string;
let images: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-init-'));
  options = { dataDir: join(scratch, 'data'), models: join(scratch, 'models') };
  spaceFile = join(scratch, 'space.json');
  await writeFile(spaceFile, JSON.stringify(tinySpace()));
  images = join(scratch, 'images');
  await writeShapeImages(images, 8, 20);
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const init = (out: string, ...more: readonly string[]) =>
  runCli(['--json', 'supernet', 'init', '--space', spaceFile, '--out', join(scratch, out), ...more], options);

/** Extracts the smallest network of a bundle. */
async function extract(bundle: string, ...more: readonly string[]) {
  const arch = join(scratch, 'arch.json');
  await writeFile(arch, JSON.stringify(minArch(tinySpace())));
  const out = join(scratch, 'model.onnx');
  const ended = await runCli(
    ['extract', '--supernet', join(scratch, bundle), '--arch', arch, '-o', out, ...more],
    options,
  );
  return { ...ended, model: ended.code === 0 ? await readFile(out) : undefined };
}

describe('bespoke supernet init', () => {
  it('makes a bundle of random weights: the same bytes for the same seed, and it says that they are random', async () => {
    const [one, same, other] = await Promise.all([
      init('one', '--seed', '3'),
      init('same', '--seed', '3'),
      init('other'),
    ]);
    const shaOf = ({ stdout }: { stdout: string }): unknown => JSON.parse(stdout).weightsSha256;
    expect([one.code, same.code, other.code]).toEqual([0, 0, 0]);
    expect(shaOf(same)).toBe(shaOf(one));
    expect(shaOf(other)).not.toBe(shaOf(one));
    const bundle = await loadBundle(join(scratch, 'one'));
    expect(bundle.supernet.sha256).toBe(shaOf(one));
    expect(bundle).toMatchObject({
      title: 'tiny with random weights, not trained',
      calibration: { count: 0 },
      verification: { count: 0 },
      figures: { randomWeights: { seed: 3, note: expect.stringMatching(/random.*no accuracy/) } },
    });
  });

  it('makes networks that say first that they are not calibrated; images of a folder calibrate them', async () => {
    await init('plain');
    const plain = await extract('plain');
    expect(plain.stdout).toMatch(/^Batch-normalization statistics were not calibrated/);
    const calibrated = await extract('plain', '--calibrate', images);
    expect(calibrated.stdout).toMatch(/model\.onnx: /);
    expect(calibrated.stdout).not.toMatch(/not calibrated/);
    expect(calibrated.model?.equals(plain.model ?? Buffer.alloc(0))).toBe(false);
    // A bundle that holds the same images gives the same network.
    await init('calibrated', '--calibration', images);
    expect((await loadBundle(join(scratch, 'calibrated'))).calibration).toMatchObject({ count: 24, channels: 3 });
    const own = await extract('calibrated');
    expect(own.stdout).not.toMatch(/not calibrated/);
    expect(own.model?.equals(calibrated.model ?? Buffer.alloc(0))).toBe(true);
  });

  it('refuses in one sentence what it cannot do, and leaves what is there', async () => {
    const used = join(scratch, 'used');
    await mkdir(used);
    await writeFile(join(used, 'letter.txt'), 'mine');
    for (const [ended, sentence] of [
      [await init('used'), /used" is a folder with files in it; give another --out/],
      [await init('used/letter.txt'), /letter.txt" is a file; give another folder with --out/],
      [await init('new', '--seed', '-1'), /--seed must be a whole number of at least 0, got "-1"/],
      [await init('new', '--calibration', join(scratch, 'data')), /calibration|cannot be read|image to calibrate/],
      [
        await init('new', '--calibration', images, '--calibration-images', '8'),
        /needs at least 16 images, asked for are 8/,
      ],
    ] as const) {
      expect({ code: ended.code, stdout: ended.stdout }).toEqual({ code: 3, stdout: '' });
      expect(ended.stderr).toMatch(sentence);
    }
    expect(await readFile(join(used, 'letter.txt'), 'utf8')).toBe('mine');
    await expect(loadBundle(join(scratch, 'new'))).rejects.toThrow(/bundle.json cannot be read/);
  });
});
