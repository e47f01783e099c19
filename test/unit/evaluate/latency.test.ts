import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { measureLatencies, measureLatency } from '../../../src/evaluate/latency.js';
import { GraphBuilder } from '../../../src/onnx/builder.js';
import { encodeModel } from '../../../src/onnx/codec.js';
import { floats } from '../../../src/tensor/tensor.js';

/** A chain of square matrix products, 1 x size by size x size each. */
function chain(length: number, size: number): Uint8Array {
  const graph = new GraphBuilder('chain');
  const rng = makeRng(1);
  let x = graph.input('input', 'float32', ['N', size]);
  for (let i = 0; i < length; i++) {
    const weight = floats(
      [size, size],
      Float32Array.from({ length: size * size }, () => rng.normal() / size),
    );
    x = graph.node('MatMul', [x, graph.initializer(`w${i}`, weight)]);
  }
  graph.output(x, 'float32', ['N', size]);
  return encodeModel(graph.model());
}

describe('measured latency', () => {
  it('orders its figures, and its interval encloses the statistic', async () => {
    for (const statistic of ['quiet', 'mean', 'p50', 'p90', 'p99'] as const) {
      const measured = await measureLatency(chain(1, 32), { statistic, maxMs: 5 });
      expect(measured.statistic).toBe(statistic);
      expect(measured.samples).toBeGreaterThanOrEqual(statistic === 'p99' ? 528 : 100);
      expect(measured.lowMs).toBeLessThanOrEqual(measured.valueMs);
      expect(measured.highMs).toBeGreaterThanOrEqual(measured.valueMs);
      expect(measured.p50Ms).toBeGreaterThan(0);
      expect(measured.p90Ms).toBeGreaterThanOrEqual(measured.p50Ms);
      expect(measured.p99Ms).toBeGreaterThanOrEqual(measured.p90Ms);
      if (statistic === 'p90') expect(measured.valueMs).toBe(measured.p90Ms);
    }
  });

  it('tells a model from one of sixteen times its work, measured in turn', async () => {
    const [small, large] = await measureLatencies([chain(1, 512), chain(16, 512)], { maxMs: 50 });
    expect(large!.p50Ms).toBeGreaterThan(small!.p50Ms);
  });

  it('refuses bytes that are no model, and stops when told to', async () => {
    await expect(measureLatency(new Uint8Array([1, 2, 3]))).rejects.toMatchObject({ code: 'invalid-request' });
    await expect(measureLatency(chain(1, 8), { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });
});
