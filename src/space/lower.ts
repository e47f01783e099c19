import { lowerMobileNetV3 } from './mobilenet-v3.js';
import { lowerResNetD } from './resnet-d.js';
import type { Arch, LayerSpec, SearchSpace } from './types.js';

/**
 * Turns an architecture into its layers with every shape resolved, in execution order: the last layer gives the logits.
 * The one place where sizes, channels and costs are computed; entries of inactive block slots are ignored.
 * @param space the search space the arch belongs to
 * @param arch its resolution may be any side, also outside the space's set
 * @returns layers named `stem` or `stem.*`, `first.*`, `stages.S.blocks.B.*`, then those of the head
 */
export function lower(space: SearchSpace, arch: Arch): LayerSpec[] {
  switch (space.family) {
    case 'mobilenet-v3':
      return lowerMobileNetV3(space, arch);
    case 'resnet-d':
      return lowerResNetD(space, arch);
  }
}
