import { readFileSync } from 'node:fs';
import { parseSpace } from '../../../src/space/parse-space.js';
import { PUBLISHED_SPACES } from '../../../src/space/published.js';
import type { SearchSpace } from '../../../src/space/types.js';

/** A published space by its id. */
function publishedSpace(id: string): SearchSpace {
  const space = PUBLISHED_SPACES.find((each) => each.id === id);
  if (space === undefined) throw new Error(`there is no published space ${id}`);
  return space;
}

/** The published OFAMobileNetV3 at width 1.0. */
export const MBV3_W10 = publishedSpace('ofa-mbv3-w1.0');

/** The published OFAMobileNetV3 at width 1.2. */
export const MBV3_W12 = publishedSpace('ofa-mbv3-w1.2');

/** The published OFAProxylessNASNets at width 1.3. */
export const PROXYLESS = publishedSpace('ofa-proxyless-w1.3');

/** The published OFAResNets. */
export const RESNET50 = publishedSpace('ofa-resnet50');

/** The published ResNets' space at half the stage widths and 100 classes: the reference data's `resnet50_small`. */
export function smallResNet(): SearchSpace {
  if (RESNET50.family !== 'resnet-d') throw new Error('the published ResNet is of another family');
  const halved = [
    [80, 104, 128],
    [128, 152, 192],
    [208, 256, 320],
    [416, 512, 640],
  ];
  const stages = RESNET50.stages.map((stage, index) => ({ ...stage, widths: halved[index] ?? [] }));
  return { ...RESNET50, id: 'resnet50-small', classes: 100, stages };
}

/** The search space of the bundled supernet. */
export function bundledSpace(): SearchSpace {
  const file = 'models/fashion-mnist/space.json';
  return parseSpace(JSON.parse(readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8')), file);
}
