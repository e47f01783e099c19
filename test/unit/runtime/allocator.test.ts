import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { keepsFreedMemory, TRAINING_ALLOCATOR } from '../../../src/runtime/allocator.js';

const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
const glibc = header?.glibcVersionRuntime;

/**
 * Resident bytes after sixteen sessions have run in turns, each of which takes two tensors of 17 to 32 MiB on the way. The larger ones come first:
 * where an aligned block was, an equal one does not fit.
 */
function residentBytes(settings: Readonly<Record<string, string>>): number {
  const at = (path: string): string => new URL(`../../../src/${path}`, import.meta.url).href;
  const memoryArena = !keepsFreedMemory(settings, glibc);
  const script = `
    import { GraphBuilder } from '${at('onnx/builder.ts')}';
    import { encodeModel } from '${at('onnx/codec.ts')}';
    import { createSession } from '${at('runtime/session.ts')}';
    import { int64s } from '${at('tensor/tensor.ts')}';
    const graph = new GraphBuilder('large');
    const large = graph.node('ConstantOfShape', [graph.input('shape', 'int64', [1])]);
    graph.output(graph.node('ReduceSum', [graph.node('Cos', [large])], { name: 'sum' }), 'float32', [1]);
    const options = { threads: 1, optimization: 'disabled', memoryPattern: false, memoryArena: ${memoryArena} };
    const sessions = [];
    for (let i = 0; i < 16; i++) sessions.push(await createSession(encodeModel(graph.model()), options));
    const before = process.memoryUsage.rss();
    for (const [i, session] of sessions.entries()) await session.run({ shape: int64s([2 ** 23 - i * 2 ** 18]) });
    console.log(process.memoryUsage.rss() - before);`;
  const given = Object.entries(process.env).filter(([name]) => !/^(MALLOC_|GLIBC_TUNABLES$)/.test(name));
  const env = { ...Object.fromEntries(given), ...settings };
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  return Number(stdout);
}

describe('the allocator of a process', () => {
  it('keeps freed memory where glibc is told so, and obeys, for what a training step takes', () => {
    expect(keepsFreedMemory(TRAINING_ALLOCATOR, '2.36')).toBe(true);
    expect(keepsFreedMemory(TRAINING_ALLOCATOR, '3.0')).toBe(true);
    expect(keepsFreedMemory(TRAINING_ALLOCATOR, '2.31')).toBe(false); // it refuses so large a threshold
    expect(keepsFreedMemory(TRAINING_ALLOCATOR, undefined)).toBe(false);
    expect(keepsFreedMemory({}, '2.36')).toBe(false);
    for (const other of [
      { MALLOC_TRIM_THRESHOLD_: '131072' },
      { MALLOC_MMAP_THRESHOLD_: 'much' },
      { MALLOC_ARENA_MAX: '8' },
    ]) {
      expect(keepsFreedMemory({ ...TRAINING_ALLOCATOR, ...other }, '2.36')).toBe(false);
    }
  });

  it.skipIf(!keepsFreedMemory(TRAINING_ALLOCATOR, glibc))(
    'gives what one session freed to the next',
    { timeout: 60_000 },
    () => {
      const own = residentBytes({});
      expect(own).toBeGreaterThan(16 * 17 * 2 ** 20); // each keeps what it took
      const shared = residentBytes(TRAINING_ALLOCATOR);
      expect(shared).toBeGreaterThan(2 * 17 * 2 ** 20);
      expect(shared).toBeLessThan(own / 3);
    },
  );
});
