/** The process that labels architectures for `collect.ts`, one at a time, on one thread. */
import { invariant } from '../../common/invariant.js';
import type { ImageSource } from '../../data/image-source.js';
import { openImages } from '../../data/open-images.js';
import { serveParent } from '../../runtime/child.js';
import type { Arch } from '../../space/types.js';
import { loadBundle } from '../../supernet/bundle.js';
import { recordOfBundle } from '../data-record.js';
import { evenly } from '../make-bundle.js';
import { recordedSplits, recordedTarget } from '../training-data.js';
import { type Labeler, makeLabeler } from './label.js';

/** What a worker labels with. */
export interface WorkerSetting {
  readonly bundleDir: string;
  readonly dataDir: string;
  /** Label images, of the selection split. */
  readonly images: number;
  readonly calibrationImages: number;
  readonly calibrationBatch: number;
}

let labeler: Labeler | undefined;

async function open(setting: WorkerSetting): Promise<void> {
  const bundle = await loadBundle(setting.bundleDir);
  const source = await openImages(setting.dataDir, bundle.supernet.space.classes);
  const record = recordOfBundle(bundle, source);
  const chosen = labelImages(source, recordedSplits(source, record).selection, setting.images);
  const { images } = await source.pool.read(chosen, recordedTarget(record));
  const { calibrationImages, calibrationBatch } = setting;
  const indices = Array.from({ length: images.count }, (_, index) => index);
  labeler = makeLabeler({ bundle, images, indices, calibrationImages, calibrationBatch });
}

/** So many of the selection split: the first, as labels of Fashion-MNIST were made, but evenly spaced where images are sorted by class. */
function labelImages({ layout }: ImageSource, selection: readonly number[], count: number): readonly number[] {
  return layout === 'image-folder' ? evenly(selection, count) : selection.slice(0, count);
}

serveParent({
  open,
  label: async (arch: Arch) => {
    invariant(labeler !== undefined, () => 'a label was asked for before the bundle was opened');
    return labeler.label(arch);
  },
});
