import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { areAllowed, probeAllowedBlocks } from '../../../src/search/block-peaks.js';
import {
  everyGenome,
  type Genetics,
  type Genome,
  makeGenetics,
  normalize,
  randomGenome,
  toArch,
} from '../../../src/search/genome.js';
import { archCosts } from '../../../src/space/costs.js';
import type { Arch, SearchSpace } from '../../../src/space/types.js';
import { bundledSpace, MBV3_W10, PROXYLESS } from '../space/published-spaces.js';
import { tinyResNet, tinySpace } from '../space/tiny-space.js';
import { geneticsOf } from './exact-changes.js';
import { limitOn } from './toy-objective.js';

/** Every genome of a tiny space, or many random ones of a large one. */
function genomesOf(genetics: Genetics): Genome[] {
  if (genetics.slots < 8) return [...everyGenome(genetics)];
  const rng = makeRng(71);
  return Array.from({ length: 150 }, () => randomGenome(genetics, rng));
}

/** Peaks as each network's own lowering counts them, and limits between them. */
function peaksOf(space: SearchSpace) {
  const genetics = geneticsOf(space);
  const genomes = genomesOf(genetics);
  const peaks = genomes.map((genome) => archCosts(space, toArch(genetics, genome)).peakMemoryBytes);
  const ascending = [...new Set(peaks)].sort((a, b) => a - b);
  const limits = [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1].map((share) => ascending[Math.floor(share * (ascending.length - 1))]!);
  return { genetics, genomes, peaks, limits: [...limits, ascending[0]! - 1, ascending[0]! + 1] };
}

describe('a limit on peak memory, block by block', () => {
  it.each([
    ['a tiny space', tinySpace()],
    ['the bundled space', bundledSpace()],
    ['the published MobileNetV3', MBV3_W10],
    ['the published ProxylessNAS', PROXYLESS],
  ])('allows in %s what keeps it, network by network', (_, space) => {
    const { genetics, genomes, peaks, limits } = peaksOf(space);
    let told = 0;
    for (const max of limits) {
      const allowed = probeAllowedBlocks(genetics, limitOn(space, 'peakMemoryBytes', max).cost, max);
      if (allowed === undefined) continue;
      told++;
      const wrong = genomes.filter((genome, i) => areAllowed(genetics, genome, allowed) !== peaks[i]! <= max);
      expect(wrong.length, `${max} bytes`).toBe(0);
    }
    expect(told).toBeGreaterThan(limits.length / 2);
  });

  it('is not told where blocks are coupled, or where another cost adds up', () => {
    const resNet = tinyResNet();
    const peak = limitOn(resNet, 'peakMemoryBytes', 30_000);
    expect(probeAllowedBlocks(geneticsOf(resNet), peak.cost, peak.max)).toBeUndefined();
    // At one resolution, where half of the networks keep the limit, and the deepest of smallest choices does.
    const space = tinySpace();
    const genetics = makeGenetics(space, [12]);
    const macs = [...everyGenome(genetics)].map((genome) => archCosts(space, toArch(genetics, genome)).macs);
    const middle = macs.sort((a, b) => a - b)[macs.length / 2]!;
    const deepest = normalize(genetics, new Uint8Array(genetics.length).fill(1, genetics.slots, genetics.length - 1));
    expect(archCosts(space, toArch(genetics, deepest)).macs).toBeLessThan(middle);
    expect(probeAllowedBlocks(genetics, limitOn(space, 'macs', middle).cost, middle)).toBeUndefined();
  });

  it.each([1.002, 1.03, 1.3])(
    'is not believed of another cost where hardly a network keeps it (%f of the deepest of smallest choices)',
    (share) => {
      const space = MBV3_W10;
      const genetics = makeGenetics(space, [160]);
      // A power of a sum: it does not add up, and does not hold block by block either.
      const power = (archs: readonly Arch[]): Float64Array =>
        limitOn(space, 'macs', 0)
          .cost(archs)
          .map((each) => each ** 1.5);
      const costOf = (genome: Genome): number => power([toArch(genetics, genome)])[0]!;
      const deepest = new Uint8Array(genetics.length).fill(2, genetics.slots, genetics.length - 1);
      const max = share * costOf(deepest);
      const rng = makeRng(72);
      const shallow = Array.from({ length: 150 }, () => {
        const genome = randomGenome(genetics, rng);
        genome.fill(0, genetics.slots);
        return normalize(genetics, genome);
      });
      const kept = shallow.filter((genome) => costOf(genome) <= max);
      expect(kept.length).toBeGreaterThan(2); // such networks are lost to a search that believes the tables
      const allowed = probeAllowedBlocks(genetics, power, max);
      const lost = allowed === undefined ? [] : kept.filter((genome) => !areAllowed(genetics, genome, allowed));
      expect(lost.length).toBe(0);
    },
  );
});
