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

/** The page whose example is the reference data's `resnet50_small`: the published ResNets' space, narrower and of 100 classes. */
export const NEW_SPACE_PAGE = readFileSync(new URL('../../../docs/adding-a-search-space.md', import.meta.url), 'utf8');

/** The space that this page describes, word for word. */
export function smallResNet(): SearchSpace {
  const example = /```json\n([\s\S]*?)```/.exec(NEW_SPACE_PAGE)?.[1];
  if (example === undefined) throw new Error('docs/adding-a-search-space.md has no JSON');
  return parseSpace(JSON.parse(example), 'docs/adding-a-search-space.md');
}

/** The search space of the bundled supernet. */
export function bundledSpace(): SearchSpace {
  const file = 'models/fashion-mnist/space.json';
  return parseSpace(JSON.parse(readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8')), file);
}
