/** The process that labels architectures for `collect.ts`, one at a time, on one thread. */
import { invariant } from '../../common/invariant.js';
import { loadFashionMnist } from '../../data/fashion-mnist.js';
import { SPLIT_SEED, splitTrainValidation } from '../../data/splits.js';
import { serveParent } from '../../runtime/child.js';
import type { Arch } from '../../space/types.js';
import { loadBundle } from '../../supernet/bundle.js';
import { type Labeler, makeLabeler } from './label.js';

/** What a worker labels with. */
export interface WorkerSetting {
  readonly bundleDir: string;
  readonly dataDir: string;
  /** Label images: the first of the selection split. */
  readonly images: number;
  readonly calibrationImages: number;
  readonly calibrationBatch: number;
}

let labeler: Labeler | undefined;

async function open(setting: WorkerSetting): Promise<void> {
  const bundle = await loadBundle(setting.bundleDir);
  const images = loadFashionMnist(setting.dataDir).train;
  invariant(images.labels !== undefined, () => 'the training images have labels');
  const { selection } = splitTrainValidation(images.labels, SPLIT_SEED);
  const { calibrationImages, calibrationBatch } = setting;
  const indices = selection.slice(0, setting.images);
  labeler = makeLabeler({ bundle, images, indices, calibrationImages, calibrationBatch });
}

serveParent({
  open,
  label: async (arch: Arch) => {
    invariant(labeler !== undefined, () => 'a label was asked for before the bundle was opened');
    return labeler.label(arch);
  },
});
