import { makeRng } from '../../../src/common/rng.js';
import { activeSlots } from '../../../src/space/slots.js';
import type { Arch, SearchSpace } from '../../../src/space/types.js';
import type { Score } from './toy-objective.js';

/** Worths are whole multiples of this below 1/16, so that sums of fewer than 2^8 of them are exact in float32's 24 bits. */
const GRAIN = 2 ** -14;
const WORTHS = 2 ** 10;

/** The worth of a key, by the seed and the key alone. */
export function dyadicWorth(seed: number, key: string): number {
  return makeRng(seed).fork(key).int(WORTHS) * GRAIN;
}

/**
 * A seeded score that is exactly a sum, in whatever order it is added up: worths of the resolution, of each depth, of each active block's kernel and
 * expand ratio, of these beside those of the block before it in the stage, and of each stage's last active block.
 */
export function dyadicScore(space: SearchSpace, seed: number): Score {
  const known = new Map<string, number>();
  const worthOf = (key: string): number => {
    const worth = known.get(key) ?? dyadicWorth(seed, key);
    known.set(key, worth);
    return worth;
  };
  return (arch: Arch) => {
    const kindOf = (slot: number): string => `${arch.kernelSizes[slot]}/${arch.expandRatios[slot]}`;
    let sum = worthOf(`r${arch.resolution}`);
    for (const { slot, stageIndex, blockIndex } of activeSlots(space, arch)) {
      sum += worthOf(`b${slot}.${kindOf(slot)}`);
      if (blockIndex > 0) sum += worthOf(`p${slot}.${kindOf(slot - 1)}.${kindOf(slot)}`);
      if (blockIndex + 1 === arch.depths[stageIndex]) {
        sum += worthOf(`d${stageIndex}.${blockIndex}`) + worthOf(`l${slot}.${kindOf(slot)}`);
      }
    }
    return sum;
  };
}

/** The points that no other one dominates, by ascending cost, from the definition: each is compared with all. Each pair of numbers is given once. */
export function frontByDefinition(points: readonly { readonly score: number; readonly cost: number }[]) {
  const isBeaten = (a: (typeof points)[number]): boolean =>
    points.some((b) => b.score >= a.score && b.cost <= a.cost && (b.score > a.score || b.cost < a.cost));
  const unique = new Map(
    points.filter((point) => !isBeaten(point)).map(({ score, cost }) => [`${score} ${cost}`, { score, cost }]),
  );
  return [...unique.values()].sort((a, b) => a.cost - b.cost);
}
