import { makeRng } from '../../../src/common/rng.js';
import type { CandidateFigures } from '../../../src/search/result.js';
import type { Constraint, Objective } from '../../../src/search/types.js';
import { makeCostTable } from '../../../src/space/cost-table.js';
import { activeSlots, slotCount } from '../../../src/space/slots.js';
import type { Arch, SearchSpace } from '../../../src/space/types.js';

/** A score of one arch. */
export type Score = (arch: Arch) => number;

/**
 * A seeded score with an interaction of neighbouring blocks: a random worth per (slot, kernel, expand ratio), per pair of kernels of neighbours,
 * per depth and per resolution; a fraction, exact in float32.
 */
export function toyScore(space: SearchSpace, seed: number): Score {
  const rng = makeRng(seed);
  const worths = new Map<string, number>();
  const pending = ['r', 'd', 'b', 'p'].map((label) => rng.fork(label));
  const worthOf = (key: string): number => {
    const known = worths.get(key);
    if (known !== undefined) return known;
    // A worth depends on its key alone, not on the order of asking.
    const made = pending['rdbp'.indexOf(key[0] ?? 'r')]?.fork(key).next() ?? 0;
    worths.set(key, made);
    return made;
  };
  return (arch) => {
    let sum = 2 * worthOf(`r${arch.resolution}`);
    arch.depths.forEach((depth, stage) => {
      sum += worthOf(`d${stage}.${depth}`);
    });
    for (const { slot, blockIndex } of activeSlots(space, arch)) {
      sum += worthOf(`b${slot}.${arch.kernelSizes[slot]}.${arch.expandRatios[slot]}`);
      if (blockIndex > 0) sum += worthOf(`p${slot}.${arch.kernelSizes[slot - 1]}.${arch.kernelSizes[slot]}`);
    }
    return Math.fround(sum / (4 * slotCount(space)));
  };
}

/** An objective of a score, with what it was asked. */
export function makeObjective(score: Score): Objective & { readonly asked: Arch[] } {
  const asked: Arch[] = [];
  return {
    asked,
    score: async (archs) => {
      asked.push(...archs);
      return Float32Array.from(archs, score);
    },
  };
}

/** The figures of candidates, counted. */
export function describeWith(space: SearchSpace): (archs: readonly Arch[]) => CandidateFigures[] {
  const table = makeCostTable(space);
  return (archs) => {
    const [macs, params] = [table.macs(archs), table.params(archs)];
    const [modelBytes, peakMemoryBytes] = [table.modelBytes(archs), table.peakMemoryBytes(archs)];
    return archs.map((_, i) => ({
      macs: macs[i]!,
      params: params[i]!,
      modelBytes: modelBytes[i]!,
      peakMemoryBytes: peakMemoryBytes[i]!,
    }));
  };
}

/** A limit on a counted cost of a space. */
export function limitOn(
  space: SearchSpace,
  key: 'macs' | 'params' | 'modelBytes' | 'peakMemoryBytes',
  max: number,
): Constraint {
  const table = makeCostTable(space);
  return { id: `max${key[0]?.toUpperCase()}${key.slice(1)}`, max, cost: (archs) => table[key](archs) };
}
