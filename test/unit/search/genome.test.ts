import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import {
  crossGenomes,
  everyGenome,
  genomeKey,
  makeGenetics,
  mutateGenome,
  randomGenome,
  toArch,
} from '../../../src/search/genome.js';
import { archId, assertArchInSpace, canonicalArch } from '../../../src/space/arch.js';
import { everyArch } from '../space/every-arch.js';
import { MBV3_W10 } from '../space/published-spaces.js';
import { tinySpace } from '../space/tiny-space.js';

describe('genomes', () => {
  it('list every architecture of a small space once', () => {
    const space = tinySpace();
    const genetics = makeGenetics(space, [16, 12]);
    const listed = [...everyGenome(genetics)].map((genome) => JSON.stringify(toArch(genetics, genome)));
    const expected = everyArch(space, [12, 16]).map((arch) => JSON.stringify(arch));
    expect(listed.sort()).toEqual(expected.sort());
  });

  it('stay canonical archs of the space under every operation, and their keys tell them apart as arch ids do', () => {
    for (const space of [tinySpace(), MBV3_W10]) {
      const rng = makeRng(5);
      const genetics = makeGenetics(space, space.resolutions);
      const ids = new Map<number, string>();
      let genome = randomGenome(genetics, rng);
      for (let i = 0; i < 2_000; i++) {
        const other = randomGenome(genetics, rng);
        genome = rng.chance(0.5)
          ? mutateGenome(genetics, genome, 0.05, rng)
          : crossGenomes(genetics, genome, other, rng);
        const arch = toArch(genetics, genome);
        assertArchInSpace(space, arch);
        expect(canonicalArch(space, arch)).toEqual(arch);
        const key = genomeKey(genetics, genome);
        const id = archId(space, arch);
        expect(ids.get(key) ?? id).toBe(id);
        ids.set(key, id);
      }
      expect(new Set(ids.values()).size).toBe(ids.size);
      expect(ids.size).toBeGreaterThan(400);
    }
  });
});
