import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { hydrateSymlinks } from '../../src/store/embedded-binaries.js';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'bespoke-native-'));
  await mkdir(join(root, 'native', 'lib'), { recursive: true });
  await writeFile(join(root, 'native', 'lib', 'libx.so.1.2'), 'library');
});
afterEach(() => rm(root, { recursive: true }));

it('makes the links between libraries that an install without scripts leaves out, also at once and again', async () => {
  const link = (target: string) => ({ source: 'native/lib/libx.so.1.2', target: `native/lib/${target}` });
  await writeFile(join(root, 'native', 'pg-symlinks.json'), JSON.stringify([link('libx.so'), link('libx.so.1')]));
  await Promise.all([hydrateSymlinks(root), hydrateSymlinks(root)]);
  await hydrateSymlinks(root);
  for (const name of ['libx.so', 'libx.so.1'])
    expect(await readFile(join(root, 'native', 'lib', name), 'utf8')).toBe('library');
});

it('does nothing for a platform without such links', async () => {
  await expect(hydrateSymlinks(root)).resolves.toBeUndefined();
});
