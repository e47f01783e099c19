import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canonicalJson, sha256 } from '../../../src/common/hash.js';
import { loadBundle, writeBundle } from '../../../src/supernet/bundle.js';
import { readBundleFacts } from '../../../src/supernet/bundle-facts.js';
import { tinySpace } from '../../helpers/supernets.js';
import { TINY_SPACE, writeTinyBundle } from '../../helpers/tiny-bundle.js';

let scratch: string;
let whole: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-facts-'));
  whole = await writeTinyBundle(scratch, { id: 'whole' });
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

async function cardOf(dir: string): Promise<{ readonly files: Readonly<Record<string, string>> }> {
  return JSON.parse(await readFile(join(dir, 'bundle.json'), 'utf8')) as { files: Record<string, string> }; // as it is written
}

describe('what a bundle says of itself', () => {
  it('is what it says when it is loaded whole', async () => {
    const facts = await readBundleFacts(whole);
    const bundle = await loadBundle(whole);
    const { files } = await cardOf(whole);
    expect(facts).toMatchObject({
      ...{ id: bundle.id, title: bundle.title, dir: whole, space: bundle.supernet.space, input: bundle.input },
      ...{ classNames: bundle.classNames, weightsSha256: bundle.supernet.sha256, figures: bundle.figures },
      ...{ calibrationImages: bundle.calibration.count, verificationImages: bundle.verification.count },
      ...{ files: Object.keys(files), bundleSha256: sha256(canonicalJson(files)) },
    });
    const sizes = await Promise.all(Object.keys(files).map(async (name) => (await readFile(join(whole, name))).length));
    expect(facts.bytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
  });

  it('has another name of the whole where only the images differ', async () => {
    const other = await writeTinyBundle(join(scratch, 'fewer'), { calibrationImages: 32 });
    const [one, two] = [await readBundleFacts(whole), await readBundleFacts(other)];
    expect(two.weightsSha256).toBe(one.weightsSha256);
    expect(two.bundleSha256).not.toBe(one.bundleSha256);
  });
});

describe('a broken bundle is told by its headers', () => {
  it.each([
    [
      'weights cut in their data',
      (dir: string) => truncate(join(dir, 'weights.safetensors'), 60_000),
      /out of range: it ends at byte \d+/,
    ],
    [
      'weights cut in their header',
      (dir: string) => truncate(join(dir, 'weights.safetensors'), 500),
      /the file at 500/,
    ],
    ['weights of no bytes', (dir: string) => truncate(join(dir, 'weights.safetensors'), 0), /0 bytes, fewer than 8/],
    [
      'no weights',
      (dir: string) => rm(join(dir, 'weights.safetensors')),
      /weights\.safetensors cannot be read \(ENOENT\)/,
    ],
    [
      'images cut short',
      (dir: string) => truncate(join(dir, 'calibration.idx'), 100),
      /calibration\.idx has 100 bytes where/,
    ],
    ['no labels', (dir: string) => rm(join(dir, 'verification-labels.idx')), /verification-labels\.idx cannot be read/],
    ['a predictor that is gone', (dir: string) => rm(join(dir, 'predictor.json')), /predictor\.json cannot be read/],
    ['a card that is no JSON', (dir: string) => writeFile(join(dir, 'bundle.json'), '{'), /bundle\.json is not JSON/],
    [
      'another space',
      (dir: string) => writeFile(join(dir, 'space.json'), '{}'),
      /space\.json is not the file that was written/,
    ],
  ])('%s', async (name, damage, sentence) => {
    const dir = await writeTinyBundle(join(scratch, name.replaceAll(' ', '-')));
    await damage(dir);
    await expect(readBundleFacts(dir)).rejects.toThrow(sentence);
    await expect(readBundleFacts(dir)).rejects.toMatchObject({ code: 'bundle-invalid' });
  });

  it('weights of another space', async () => {
    const dir = await writeTinyBundle(join(scratch, 'space'));
    const other = JSON.stringify({ ...tinySpace({ inputChannels: 1, classes: 4 }) });
    await writeFile(join(dir, 'space.json'), other);
    const card = await cardOf(dir);
    const files = { ...card.files, 'space.json': sha256(other) };
    await writeFile(join(dir, 'bundle.json'), JSON.stringify({ ...card, files }));
    await expect(readBundleFacts(dir)).rejects.toThrow(/weights\.safetensors does not fit the space "tiny"; missing: /);
  });

  it('neither calibration images nor statistics', async () => {
    const dir = join(scratch, 'bare');
    const { supernet, ...rest } = await loadBundle(whole);
    const none = { count: 0, height: 0, width: 0, channels: 0, pixels: new Uint8Array(0) };
    const images = { calibration: none, verification: none };
    await writeBundle(dir, { ...rest, ...images, space: TINY_SPACE, tensors: supernet.tensors });
    await expect(readBundleFacts(dir)).rejects.toThrow(/neither calibration images nor batch-normalization statistics/);
  });
});
