import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BespokeError } from '../../../src/common/errors.js';
import { sha256 } from '../../../src/common/hash.js';
import { addBundleFiles, type BundleParts, loadBundle, writeBundle } from '../../../src/supernet/bundle.js';
import type { ImageSet } from '../../../src/supernet/types.js';
import { floats } from '../../../src/tensor/tensor.js';
import { randomSupernet, tinySpace } from '../../helpers/supernets.js';

const images = (count: number, labels?: readonly number[]): ImageSet => ({
  count,
  height: 4,
  width: 5,
  channels: 3,
  pixels: Uint8Array.from({ length: count * 60 }, (_, i) => (i * 7) % 256),
  ...(labels === undefined ? {} : { labels: Uint8Array.from(labels) }),
});

const space = tinySpace();
const { tensors } = randomSupernet(space, 1);
const parts: BundleParts = {
  id: 'tiny',
  title: 'A tiny bundle',
  space,
  tensors,
  input: {
    channels: 3,
    channelOrder: 'rgb',
    range: [0, 1],
    mean: [0.5, 0.5, 0.5],
    std: [0.2, 0.3, 0.4],
    resize: 'bilinear',
    antialias: true,
    cropFraction: 0.875,
  },
  classNames: ['a', 'b', 'c', 'd', 'e'],
  calibration: images(3),
  verification: images(2, [4, 0]),
  figures: { maxNet: { top1: 0.9 } },
};

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bespoke-bundle-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** The sentence of the refusal; fails if the bundle loads or the error is of another kind. */
async function refusal(): Promise<string> {
  const error = await loadBundle(dir).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof BespokeError)) throw new Error(`expected a refusal, got ${String(error)}`);
  expect(error.code).toBe('bundle-invalid');
  expect(error.message).toContain(dir);
  return error.message;
}

type Json = Record<string, unknown> & { files: Record<string, string> };

/** Changes bundle.json as a careless hand would. */
async function editCard(change: (card: Json) => void): Promise<void> {
  const file = join(dir, 'bundle.json');
  const card = JSON.parse(await readFile(file, 'utf8')) as Json;
  change(card);
  await writeFile(file, JSON.stringify(card));
}

describe('a bundle', () => {
  it('loads as it was written', async () => {
    const sha = await writeBundle(dir, parts);
    const bundle = await loadBundle(dir);
    expect(sha).toBe(sha256(await readFile(join(dir, 'weights.safetensors'))));
    expect(bundle.supernet.sha256).toBe(sha);
    expect(bundle.supernet.space).toEqual(space);
    expect([...bundle.supernet.tensors.keys()]).toEqual([...tensors.keys()].sort());
    for (const [key, tensor] of tensors) expect(bundle.supernet.tensors.get(key), key).toEqual(tensor);
    const { id, title, input, classNames, figures } = bundle;
    expect({ id, title, input, classNames, figures }).toEqual({
      id: parts.id,
      title: parts.title,
      input: parts.input,
      classNames: parts.classNames,
      figures: parts.figures,
    });
    for (const name of ['calibration', 'verification'] as const) {
      const { pixels, labels, ...rest } = bundle[name];
      const { pixels: wanted, labels: wantedLabels, ...wantedRest } = parts[name];
      expect(rest).toEqual(wantedRest);
      expect(Buffer.from(pixels).equals(wanted)).toBe(true);
      expect(labels === undefined ? undefined : [...labels]).toEqual(wantedLabels && [...wantedLabels]);
    }
  });

  it('has the same bytes twice, and no partial files', async () => {
    await writeBundle(dir, parts);
    const before = await readFile(join(dir, 'bundle.json'), 'utf8');
    await writeBundle(dir, { ...parts, tensors: new Map([...tensors].reverse()) });
    expect(await readFile(join(dir, 'bundle.json'), 'utf8')).toBe(before);
    expect((await readdir(dir)).sort()).toEqual([
      'bundle.json',
      'calibration.idx',
      'space.json',
      'verification-labels.idx',
      'verification.idx',
      'weights.safetensors',
    ]);
  });

  it('may come without images', async () => {
    await writeBundle(dir, { ...parts, calibration: images(0), verification: images(0) });
    const { calibration, verification } = await loadBundle(dir);
    expect([calibration.count, verification.count]).toEqual([0, 0]);
  });

  it('takes further files later and checks them too', async () => {
    const sha = await writeBundle(dir, parts);
    await addBundleFiles(dir, new Map([['predictor.json', Buffer.from('{}')]]), { predictor: { rmse: 1 } });
    const bundle = await loadBundle(dir);
    expect(bundle.figures).toEqual({ ...parts.figures, predictor: { rmse: 1 } });
    expect(bundle.supernet.sha256).toBe(sha);
    await writeFile(join(dir, 'predictor.json'), '[]');
    expect(await refusal()).toContain('predictor.json is not the file that was written');
  });
});

describe('a damaged bundle is refused', () => {
  beforeEach(() => writeBundle(dir, parts));

  it.each(['weights.safetensors', 'space.json', 'calibration.idx', 'verification.idx', 'verification-labels.idx'])(
    'when one byte of %s changed: the file, the expected and the found sha256 are named',
    async (name) => {
      const bytes = await readFile(join(dir, name));
      const expected = sha256(bytes);
      bytes[bytes.length - 2]! ^= 1;
      await writeFile(join(dir, name), bytes);
      const message = await refusal();
      expect(message).toContain(`${name} is not the file that was written`);
      expect(message).toContain(`expected sha256 ${expected}, found ${sha256(bytes)}`);
    },
  );

  it('when a file is cut short', async () => {
    await truncate(join(dir, 'weights.safetensors'), 1000);
    expect(await refusal()).toMatch(/weights\.safetensors is not the file .* \(1000 bytes\)/);
  });

  it('when a file is missing', async () => {
    await rm(join(dir, 'calibration.idx'));
    expect(await refusal()).toContain('its file calibration.idx cannot be read (ENOENT)');
  });

  it('when there is no card, or it is not JSON', async () => {
    await writeFile(join(dir, 'bundle.json'), '{"schema":');
    expect(await refusal()).toContain('bundle.json is not JSON');
    await rm(join(dir, 'bundle.json'));
    expect(await refusal()).toContain('bundle.json cannot be read (ENOENT)');
  });

  it.each<[string, (card: Json) => void, RegExp]>([
    ['another schema', (card) => Object.assign(card, { schema: 2 }), /schema must be 1; given: 2/],
    ['an id that is no file name', (card) => Object.assign(card, { id: '../x' }), /bundle\.json\.id must be/],
    [
      'a path that leads out of the folder',
      (card) => Object.assign(card.files, { '../etc': 'a'.repeat(64) }),
      /file in the same folder; given: "\.\.\/etc"/,
    ],
    ['no weights', (card) => delete card.files['weights.safetensors'], /lists no weights\.safetensors/],
    ['too few classes', (card) => Object.assign(card, { classNames: ['a'] }), /names 1 classes, its space has 5/],
    ['a std of 0', (card) => Object.assign(card.input as object, { std: [0, 1, 1] }), /input\.std must be a list of 3/],
    [
      'a crop of more than the image',
      (card) => Object.assign(card.input as object, { cropFraction: 1.5 }),
      /cropFraction must be/,
    ],
  ])('when the card has %s', async (_, change, message) => {
    await editCard(change);
    expect(await refusal()).toMatch(message);
  });

  it('when its weights are not those of its space: missing, unexpected and mis-shaped tensors are named', async () => {
    const other = new Map(tensors);
    other.delete('classifier.bias');
    other.set('surplus', floats([1], [1]));
    other.set('stem.weight', floats([8, 1, 3, 3], new Float32Array(72)));
    const wanted =
      /missing: classifier\.bias; unexpected: surplus; mis-shaped: stem\.weight is \[8, 1, 3, 3\], wanted is \[8, 3, 3, 3\]/;
    await expect(writeBundle(join(dir, 'other'), { ...parts, tensors: other })).rejects.toThrow(wanted);
  });

  it('when a verification label is beyond the classes', async () => {
    await writeBundle(dir, { ...parts, verification: images(2, [1, 5]) });
    expect(await refusal()).toContain('a verification label is 5, its space has 5 classes');
  });
});
