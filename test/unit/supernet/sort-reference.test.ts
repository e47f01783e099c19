import { describe, expect, it } from 'vitest';
import { encodeModel } from '../../../src/onnx/codec.js';
import { createSession } from '../../../src/runtime/session.js';
import { maxArch } from '../../../src/space/arch.js';
import { hiddenChannels } from '../../../src/space/layers.js';
import { lower } from '../../../src/space/lower.js';
import { inferenceModel } from '../../../src/supernet/graph.js';
import { sliceSubnet } from '../../../src/supernet/slice.js';
import { applyChannelSort, planChannelSort } from '../../../src/supernet/sort-channels.js';
import { storedStatistics } from '../../../src/supernet/stored-statistics.js';
import {
  hasReference,
  REFERENCE_NETS,
  type ReferenceNet,
  referenceArchs,
  referenceArray,
  referenceJson,
  referenceSupernet,
  relativeError,
} from '../../helpers/reference.js';

/** As the reference data's README states it for sub-networks; here for the largest MobileNetV3 as well. */
const TOLERANCE = 5e-4;
const MINUTES = 60_000;

const mobileNet = REFERENCE_NETS[0] as ReferenceNet; // the list's first

describe.skipIf(!hasReference('mbv3_w1.0/sorted_perm.json'))('channel sorting against the published code', () => {
  it.each([
    ['stage0', [6]],
    ['stage1', [6, 4]],
    ['stage2', [6, 4, 3]],
  ])('%s: the same channels in every range, in the same order in the innermost', (stage, opened) => {
    const { space, tensors } = referenceSupernet(mobileNet);
    const permutations = referenceJson('mbv3_w1.0/sorted_perm.json') as Record<string, readonly (readonly number[])[]>;
    const expected = permutations[stage] ?? [];
    const sort = planChannelSort(space, tensors, opened);
    const blocks = lower(space, maxArch(space)).filter(
      ({ name }) => name.startsWith('stages.') && name.endsWith('.expand'),
    );
    expect(expected).toHaveLength(blocks.length);
    blocks.forEach(({ name, inChannels }, index) => {
      const order = [...(sort.get(`${name}.weight`)?.[0]?.order ?? [])];
      const wanted = expected[index] ?? [];
      const ends = opened.map((ratio) => hiddenChannels(inChannels, ratio)).sort((a, b) => a - b);
      expect(order.slice(0, ends[0]), `${name}, innermost`).toEqual(wanted.slice(0, ends[0]));
      ends.forEach((end, range) => {
        const inRange = (list: readonly number[]): number[] =>
          list.slice(ends[range - 1] ?? 0, end).sort((a, b) => a - b);
        expect(inRange(order), `${name}, range ${range}`).toEqual(inRange(wanted));
      });
    });
  });

  it.each(REFERENCE_NETS)(
    '$folder: sub-networks of the sorted supernet have its logits',
    { timeout: 5 * MINUTES },
    async (net) => {
      const { folder, space } = net;
      const supernet = referenceSupernet(net);
      const sort = planChannelSort(space, supernet.tensors, [Math.max(...space.expandRatios)]);
      const sorted = { ...supernet, tensors: applyChannelSort(sort, supernet.tensors) };
      const expected = referenceArray(`${folder}/sorted_stage0_logits.npy`);
      const row = 2 * space.classes;
      const archs = referenceArchs(net);
      for (const [index, name] of (referenceJson(`${folder}/sorted_stage0_names.json`) as string[]).entries()) {
        const arch = archs.get(name);
        if (arch === undefined) throw new Error(`the reference data has no ${name}`);
        const subnet = sliceSubnet(sorted, arch, lower(space, arch));
        const statistics = storedStatistics(subnet);
        if (statistics === undefined) throw new Error('the checkpoint has running statistics');
        const session = await createSession(encodeModel(inferenceModel(subnet, statistics)), {
          threads: 1,
          optimization: 'all',
        });
        const { logits } = await session.run({ input: referenceArray(`${folder}/input_${arch.resolution}.npy`) });
        await session.release();
        const wanted = expected.data.subarray(index * row, (index + 1) * row);
        expect(relativeError(logits?.data as Float32Array, wanted), name).toBeLessThan(TOLERANCE);
      }
    },
  );
});
