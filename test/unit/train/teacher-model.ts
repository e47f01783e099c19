import { makeRng } from '../../../src/common/rng.js';
import { encodeModel } from '../../../src/onnx/codec.js';
import { lower } from '../../../src/space/lower.js';
import type { Arch } from '../../../src/space/types.js';
import { inferenceModel } from '../../../src/supernet/graph.js';
import { type FloatTensor, floats } from '../../../src/tensor/tensor.js';
import type { TeacherModel } from '../../../src/train/frozen-teacher.js';
import { initNet } from '../../../src/train/single-net.js';
import { randomStatistics } from '../../helpers/supernets.js';
import { tinySpace } from './tiny-run.js';

/** Logits far from uniform: of uniform ones the cross-entropy to any target is the same. */
export function decided(found: Map<string, FloatTensor>): Map<string, FloatTensor> {
  const { dims, data } = found.get('classifier.weight')!;
  const louder = data.map((value) => value * 100);
  return found.set('classifier.weight', floats(dims, louder));
}

/** A network of the tiny space with random weights and made-up statistics, at its own resolution. */
export function teacherModel(arch: Arch, seed = 2): TeacherModel {
  const tensors = decided(initNet(tinySpace, arch, makeRng(seed)));
  const subnet = { space: tinySpace, arch, layers: lower(tinySpace, arch), tensors };
  return { model: encodeModel(inferenceModel(subnet, randomStatistics(subnet, 3))), resolution: arch.resolution };
}
