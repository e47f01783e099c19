import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/common/hash.js';
import { makeRng } from '../../../src/common/rng.js';
import { maxArch, minArch } from '../../../src/space/arch.js';
import { lower } from '../../../src/space/lower.js';
import { sliceSubnet } from '../../../src/supernet/slice.js';
import { applyChannelSort, planChannelSort } from '../../../src/supernet/sort-channels.js';
import type { SupernetTensors } from '../../../src/supernet/types.js';
import { floats } from '../../../src/tensor/tensor.js';
import { initSupernet } from '../../../src/train/initialize.js';
import { NetSession } from '../../../src/train/net-session.js';
import { flatten, layoutOf } from '../../../src/train/parameter-layout.js';
import { tinySpace as space } from '../train/tiny-run.js';

/** Random everywhere, the zero scales and biases of a fresh supernet included. */
function randomTensors(seed: number): Map<string, ReturnType<typeof floats>> {
  const rng = makeRng(seed);
  return new Map(
    [...initSupernet(space, rng)].map(([key, { dims, data }]) => [
      key,
      floats(
        dims,
        data.map((v) => v + 0.3 * rng.normal()),
      ),
    ]),
  );
}

async function logitsOf(tensors: SupernetTensors, arch: ReturnType<typeof maxArch>): Promise<Float32Array> {
  const layout = layoutOf(new Map(tensors));
  const weights = new Float32Array(layout.size);
  flatten(layout, new Map(tensors), weights);
  const net = await NetSession.create(arch, {
    space,
    layout,
    lowering: { kind: 'standard' },
    batch: 4,
    mode: 'forward',
    weights,
  });
  const rng = makeRng(2);
  const side = arch.resolution;
  const images = floats(
    [4, 1, side, side],
    Float32Array.from({ length: 4 * side * side }, () => rng.normal()),
  );
  const { logits } = await net.run(images);
  await net.release();
  return logits;
}

const narrow = minArch(space);
const widestOf = (expandRatio: number) => ({
  ...maxArch(space),
  expandRatios: narrow.expandRatios.map(() => expandRatio),
});

describe('channel sorting', () => {
  const tensors = randomTensors(7);

  it("leaves the largest network's function as it is, in reach of the rounding of sums", async () => {
    const sorted = applyChannelSort(planChannelSort(space, tensors, [3]), tensors);
    const before = await logitsOf(tensors, maxArch(space));
    const after = await logitsOf(sorted, maxArch(space));
    after.forEach((value, i) => {
      expect(value).toBeCloseTo(before[i]!, 3);
    });
    expect(await logitsOf(sorted, widestOf(2))).not.toEqual(await logitsOf(tensors, widestOf(2)));
  });

  it('leaves narrower networks that were trained already as they are, too', async () => {
    const sorted = applyChannelSort(planChannelSort(space, tensors, [2, 3]), tensors);
    for (const arch of [maxArch(space), widestOf(2), narrow]) {
      const before = await logitsOf(tensors, arch);
      (await logitsOf(sorted, arch)).forEach((value, i) => {
        expect(value).toBeCloseTo(before[i]!, 3);
      });
    }
  });

  it('puts the channels whose projections are largest in front, counted by brute force', () => {
    const sorted = applyChannelSort(planChannelSort(space, tensors, [3]), tensors);
    const importance = (from: SupernetTensors): number[] => {
      const { dims, data } = from.get('stages.0.blocks.0.project.weight')!;
      const columns = dims[1]!;
      return Array.from({ length: columns }, (_, c) =>
        data.reduce((sum, v, i) => (i % columns === c ? sum + Math.abs(v) : sum), 0),
      );
    };
    const expected = importance(tensors).sort((a, b) => b - a);
    importance(sorted).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 4);
    });
  });

  it('keeps shapes and is idempotent', () => {
    const once = applyChannelSort(planChannelSort(space, tensors, [3]), tensors);
    const twice = applyChannelSort(planChannelSort(space, once, [3]), once);
    expect(twice).toEqual(once);
    const supernet = { space, tensors: once, sha256: sha256('sorted') };
    const layers = lower(space, narrow);
    expect(sliceSubnet(supernet, narrow, layers).tensors.size).toBeGreaterThan(0);
  });
});
