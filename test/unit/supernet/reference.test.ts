import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/common/hash.js';
import { calibrateBatchNorm } from '../../../src/evaluate/calibrate.js';
import { assertStandardOperators, checkModel } from '../../../src/onnx/check.js';
import { encodeModel } from '../../../src/onnx/codec.js';
import { createSession } from '../../../src/runtime/session.js';
import { minArch } from '../../../src/space/arch.js';
import { lower } from '../../../src/space/lower.js';
import type { Arch } from '../../../src/space/types.js';
import { plainName } from '../../../src/supernet/checkpoint-names.js';
import { inferenceModel } from '../../../src/supernet/graph.js';
import { sliceSubnet } from '../../../src/supernet/slice.js';
import { storedStatistics } from '../../../src/supernet/stored-statistics.js';
import type { BatchNormStatistics, Subnet, Supernet } from '../../../src/supernet/types.js';
import type { FloatTensor } from '../../../src/tensor/tensor.js';
import {
  extractedNames,
  hasReference,
  REFERENCE_NETS,
  referenceArchs,
  referenceArray,
  referenceArrays,
  referenceJson,
  referenceSupernet,
  relativeError,
} from '../../helpers/reference.js';

/** As the reference data's README states them; the largest MobileNetV3 loses more in float32, in the reference itself too. */
const TOLERANCE = 1e-4;
const TOLERANCE_LARGEST = 5e-4;
/** Twelve images as two batches, as the reference was calibrated. */
const CALIBRATION_BATCH = 8;
const MINUTES = 60_000;

function subnetOf(supernet: Supernet, arch: Arch): Subnet {
  return sliceSubnet(supernet, arch, lower(supernet.space, arch));
}

async function logitsOf(subnet: Subnet, statistics: BatchNormStatistics, input: FloatTensor): Promise<Float32Array> {
  const model = inferenceModel(subnet, statistics);
  checkModel(model);
  assertStandardOperators(model);
  const session = await createSession(encodeModel(model), { threads: 1, optimization: 'all' });
  const { logits } = await session.run({ input });
  await session.release();
  if (!(logits?.data instanceof Float32Array)) throw new Error('logits are float32');
  return logits.data;
}

const tolerance = (folder: string, name: string): number =>
  folder === 'mbv3_w1.0' && name === 'max' ? TOLERANCE_LARGEST : TOLERANCE;

describe.skipIf(!hasReference(''))('sub-networks of supernets that the published code made', () => {
  describe.each(REFERENCE_NETS)('$folder', (net) => {
    const { folder, space } = net;
    let loaded: Supernet | undefined;
    const supernet = (): Supernet => {
      loaded ??= referenceSupernet(net);
      return loaded;
    };

    it('have its logits, on every architecture at its resolution', { timeout: 5 * MINUTES }, async () => {
      const expected = referenceArray(`${folder}/logits.npy`);
      const row = 2 * space.classes;
      for (const [index, [name, arch]] of [...referenceArchs(net)].entries()) {
        const subnet = subnetOf(supernet(), arch);
        const statistics = storedStatistics(subnet);
        if (statistics === undefined) throw new Error('the checkpoint has running statistics');
        const logits = await logitsOf(subnet, statistics, referenceArray(`${folder}/input_${arch.resolution}.npy`));
        const wanted = expected.data.subarray(index * row, (index + 1) * row);
        expect(relativeError(logits, wanted), name).toBeLessThan(tolerance(folder, name));
      }
    });

    it('are its slices to the bit, but for transformed kernels', () => {
      let compared = 0;
      for (const [name, arch] of referenceArchs(net)) {
        const file = `${folder}/subnet_${name}_digest.json`;
        if (!hasReference(file)) continue;
        const subnet = subnetOf(supernet(), arch);
        const digests = referenceJson(file) as Record<string, { readonly sha256: string }>;
        const expected = new Map(
          Object.entries(digests).flatMap(([key, digest]) =>
            key.endsWith('num_batches_tracked') ? [] : [[plainName(key), digest.sha256] as const],
          ),
        );
        const transformed = new Set(
          subnet.layers.flatMap((layer) =>
            layer.op === 'depthwise' && layer.stageIndex !== undefined && layer.kernel < 7
              ? [`${layer.name}.weight`]
              : [],
          ),
        );
        const names = extractedNames(subnet);
        expect([...names.values()].sort(), name).toEqual([...expected.keys()].sort());
        for (const [key, { data }] of subnet.tensors) {
          if (transformed.has(key)) continue;
          const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
          expect(sha256(bytes), `${name} ${key}`).toBe(expected.get(names.get(key) ?? ''));
          compared++;
        }
      }
      expect(compared).toBeGreaterThan(1_000);
    });

    it('of the smallest architecture have its transformed kernels', () => {
      const expected = referenceArrays(`${folder}/subnet_min_blocks.npz`);
      const plain = new Map([...expected].map(([key, tensor]) => [plainName(key), tensor]));
      const subnet = subnetOf(supernet(), minArch(space));
      const names = extractedNames(subnet);
      let kernels = 0;
      for (const [key, { data }] of subnet.tensors) {
        const wanted = plain.get(names.get(key) ?? ''); // the file has stem and blocks, not the head
        if (wanted === undefined) continue;
        expect(relativeError(data, wanted.data), key).toBeLessThan(1e-6);
        kernels += Number(key.endsWith('.depthwise.weight'));
      }
      expect(kernels).toBe(subnet.layers.filter(({ op }) => op === 'depthwise').length);
    });

    it.each(['min', 'max'])(
      'calibrated anew (%s) have its statistics and its logits',
      { timeout: 5 * MINUTES },
      async (name) => {
        const images = referenceArray(`${folder}/calib_128.npy`);
        const arch = referenceArchs(net).get(name) ?? minArch(space); // the smallest is not in the list
        const subnet = subnetOf(supernet(), arch);
        const atCalibration = subnetOf(supernet(), { ...arch, resolution: 128 });
        const statistics = await calibrateBatchNorm(atCalibration, images, { batch: CALIBRATION_BATCH, threads: 1 });
        const expected = new Map(
          [...referenceArrays(`${folder}/calib_${name}_bn.npz`)].map(([key, tensor]) => [plainName(key), tensor.data]),
        );
        const names = extractedNames(subnet);
        for (const [layer, { mean, variance }] of statistics) {
          const wanted = (part: string): Float32Array =>
            expected.get(names.get(`${layer}.bn.running_${part}`) ?? '') ?? new Float32Array(0);
          expect(relativeError(mean, wanted('mean')), `${layer} mean`).toBeLessThan(TOLERANCE);
          expect(relativeError(variance, wanted('var')), `${layer} variance`).toBeLessThan(TOLERANCE);
        }
        const input = referenceArray(`${folder}/input_${arch.resolution}.npy`);
        const logits = await logitsOf(subnet, statistics, input);
        const wanted = referenceArray(`${folder}/calib_${name}_logits.npy`);
        expect(relativeError(logits, wanted.data)).toBeLessThan(TOLERANCE_LARGEST);
      },
    );
  });
});
