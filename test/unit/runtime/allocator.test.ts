import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { keepsFreedMemory, TRAINING_ALLOCATOR } from '../../../src/runtime/allocator.js';

/**
 * Resident bytes after sixteen sessions have run in turns, each of which takes two tensors of 17 to 32 MiB on the way. The larger ones come first: what
 * stays of a session lies between what it freed, so that of equal sizes the next would not fit.
 */
function residentBytes(settings: Readonly<Record<string, string>>): number {
  const at = (path: string): string => new URL(`../../../src/${path}`, import.meta.url).href;
  const script = `
    import { keepsFreedMemory } from '${at('runtime/allocator.ts')}';
    import { GraphBuilder } from '${at('onnx/builder.ts')}';
    import { encodeModel } from '${at('onnx/codec.ts')}';
    import { createSession } from '${at('runtime/session.ts')}';
    import { int64s } from '${at('tensor/tensor.ts')}';
    const graph = new GraphBuilder('large');
    const large = graph.node('ConstantOfShape', [graph.input('shape', 'int64', [1])]);
    graph.output(graph.node('ReduceSum', [graph.node('Cos', [large])], { name: 'sum' }), 'float32', [1]);
    const sessions = [];
    for (let i = 0; i < 16; i++) sessions.push(await createSession(encodeModel(graph.model()), { threads: 1, optimization: 'disabled', memoryPattern: false, memoryArena: !keepsFreedMemory(process.env) }));
    const before = process.memoryUsage.rss();
    for (const [i, session] of sessions.entries()) await session.run({ shape: int64s([2 ** 23 - i * 2 ** 18]) });
    console.log(process.memoryUsage.rss() - before);`;
  const env = { ...process.env, ...settings };
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const { stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
  expect(stderr).toBe('');
  return Number(stdout);
}

const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };

describe('the allocator of a process', () => {
  it('keeps freed memory where glibc is told so for what a training step takes', () => {
    expect(keepsFreedMemory(TRAINING_ALLOCATOR)).toBe(true);
    expect(keepsFreedMemory({})).toBe(false);
    expect(keepsFreedMemory({ ...TRAINING_ALLOCATOR, MALLOC_TRIM_THRESHOLD_: '131072' })).toBe(false);
    expect(keepsFreedMemory({ ...TRAINING_ALLOCATOR, MALLOC_MMAP_THRESHOLD_: 'much' })).toBe(false);
  });

  it.skipIf(header?.glibcVersionRuntime === undefined)(
    'gives what one session freed to the next',
    { timeout: 60_000 },
    () => {
      const own = residentBytes({});
      expect(own).toBeGreaterThan(16 * 17 * 2 ** 20); // each keeps what it took
      expect(residentBytes(TRAINING_ALLOCATOR)).toBeLessThan(own / 3);
    },
  );
});
