import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sortCommand } from '../../../src/cli/sorting.js';
import type { Terminal } from '../../../src/cli/terminal.js';
import { loadBundle } from '../../../src/supernet/bundle.js';
import type { Bundle } from '../../../src/supernet/types.js';
import { randomSupernet } from '../../helpers/supernets.js';
import { tinyResNet } from '../space/tiny-space.js';

const dir = mkdtempSync(join(tmpdir(), 'bespoke-sort-'));
afterAll(() => rmSync(dir, { recursive: true }));

const space = tinyResNet();
const noImages = { count: 0, height: 0, width: 0, channels: 0, pixels: new Uint8Array(0) };
const bundle: Bundle = {
  id: 'tiny',
  title: 'Tiny',
  dir,
  supernet: randomSupernet(space, 3),
  input: {
    channels: 3,
    channelOrder: 'rgb',
    range: [0, 1],
    mean: [0, 0, 0],
    std: [1, 1, 1],
    resize: 'bilinear',
    antialias: true,
    cropFraction: 1,
  },
  classNames: ['a', 'b', 'c', 'd', 'e'],
  calibration: noImages,
  verification: noImages,
  figures: { top1: 0.5 },
};

function silent(printed: unknown[]): Terminal {
  const nothing = (): void => undefined;
  return {
    print: nothing,
    printJson: (value) => printed.push(value),
    progress: nothing,
    note: nothing,
    endProgress: nothing,
    isJson: true,
  };
}

describe('bespoke supernet sort', () => {
  it('writes a bundle of the same weights in another order, without the figures that were measured before', async () => {
    const printed: unknown[] = [];
    const out = join(dir, 'sorted');
    expect(await sortCommand(silent(printed), bundle, { out })).toBe(0);
    const sorted = await loadBundle(out);
    expect(printed).toMatchObject([{ dir: out, trained: [0.5], weightsSha256: sorted.supernet.sha256 }]);
    expect(sorted.figures).toEqual({ sorted: { from: bundle.supernet.sha256, trained: [0.5] } });
    const key = 'stages.0.blocks.0.conv2.bn.weight';
    const [before, after] = [bundle, sorted].map(({ supernet }) => [...(supernet.tensors.get(key)?.data ?? [])]);
    expect(after).not.toEqual(before);
    expect(after?.sort()).toEqual(before?.sort());
    await expect(sortCommand(silent([]), bundle, { out })).rejects.toThrow(/holds a bundle already/);
  });

  it('refuses ratios that the space lacks', async () => {
    const sorting = sortCommand(silent([]), bundle, { out: join(dir, 'never'), trained: [0.4] });
    await expect(sorting).rejects.toThrow(
      '--trained has 0.4, which is no expand ratio of "tiny-resnet": those are 0.25, 0.5',
    );
  });
});
