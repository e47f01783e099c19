import { describe, expect, it } from 'vitest';
import { invariant } from '../../../src/common/invariant.js';
import { makeRng } from '../../../src/common/rng.js';
import { probeBlockCosts } from '../../../src/search/block-costs.js';
import { makeGenetics, normalize, randomGenome, toArch } from '../../../src/search/genome.js';
import { makeCostTable } from '../../../src/space/cost-table.js';
import { MBV3_W10 } from '../space/published-spaces.js';
import { tinySpace } from '../space/tiny-space.js';

describe('costs that add up over blocks', () => {
  it('say of a genome and of another depth what the cost itself says', () => {
    for (const space of [tinySpace(), MBV3_W10]) {
      const genetics = makeGenetics(space, space.resolutions);
      const { macs } = makeCostTable(space);
      const tabled = probeBlockCosts(genetics, macs);
      invariant(tabled !== undefined, () => 'MACs add up over blocks');
      const rng = makeRng(71);
      const { slots, depths, values } = genetics;
      let compared = 0;
      for (let round = 0; round < 60; round++) {
        const genome = randomGenome(genetics, rng);
        const here = macs([toArch(genetics, genome)])[0]!;
        expect(tabled.of(genome)).toBeCloseTo(here, 3); // whole numbers of up to 10^9, in sums of float64
        for (const index of depths.keys()) {
          for (let value = 0; value < values[slots + index]!; value++) {
            const changed = normalize(genetics, genome.with(slots + index, value));
            const there = macs([toArch(genetics, changed)])[0]!;
            expect(tabled.depthAdds(genome, slots + index, value)).toBeCloseTo(there - here, 3);
            if (there !== here) compared++;
          }
        }
      }
      expect(compared).toBeGreaterThan(50);
    }
  });
});
