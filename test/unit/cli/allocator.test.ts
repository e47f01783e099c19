import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { allocatorEnvironment } from '../../../src/cli/allocator.js';

describe('the allocator of training', () => {
  it('is set up before a process that trains, on glibc alone, and once', () => {
    const env = allocatorEnvironment({ PATH: '/bin' }, '2.36');
    expect(env).toMatchObject({ PATH: '/bin', GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' });
    expect(allocatorEnvironment(env ?? {}, '2.36')).toBeUndefined();
    expect(allocatorEnvironment({}, undefined)).toBeUndefined();
  });

  it('leaves what the user has set', () => {
    expect(allocatorEnvironment({ GLIBC_TUNABLES: 'mine' }, '2.36')).toMatchObject({ GLIBC_TUNABLES: 'mine' });
    expect(allocatorEnvironment({ BESPOKE_ALLOCATOR: '0' }, '2.36')).toBeUndefined();
  });

  it('starts the command again with the settings and hands its exit code on', () => {
    const source = new URL('../../../src/cli/allocator.ts', import.meta.url).href;
    const script = `import { runWithAllocator } from '${source}';
      const code = await runWithAllocator();
      if (code === undefined) { console.log('worked with ' + process.env.BESPOKE_ALLOCATOR); process.exitCode = 7; }
      else process.exitCode = code;`;
    const { BESPOKE_ALLOCATOR: _, ...env } = process.env;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
    expect(stdout).toMatch(/^worked with (1|undefined)\n$/); // undefined where there is no glibc
    expect(status).toBe(7);
  });

  it('leaves `npm run train` its arguments as they were when it is started again', () => {
    const script = ['--import', 'tsx', 'scripts/train-supernet.ts'];
    const { BESPOKE_ALLOCATOR: _, ...env } = process.env;
    const args = [...script, '--out', 'no-such-folder/run', '--recipe', 'no-such-folder/recipe.json'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
    expect([status, stdout, stderr]).toEqual([
      3,
      '',
      'the recipe "no-such-folder/recipe.json" cannot be read (ENOENT)\n',
    ]);
  });
});
