import { describe, expect, it } from 'vitest';
import { blockCosts, costByTables } from '../../../bench/block-tables.js';
import { makeRng } from '../../../src/common/rng.js';
import { archCosts } from '../../../src/space/costs.js';
import { sampleArch } from '../../../src/space/sample.js';
import type { Arch } from '../../../src/space/types.js';
import { MBV3_W10, PROXYLESS } from '../space/published-spaces.js';

const RESOLUTIONS = [160, 224];

describe.each([MBV3_W10, PROXYLESS])('the MACs of $id, taken apart by blocks', (space) => {
  const macs = (archs: readonly Arch[]): Float64Array =>
    Float64Array.from(archs, (arch) => archCosts(space, arch).macs);
  const tables = blockCosts(space, macs, RESOLUTIONS);

  it('add up to the exact count of random networks', () => {
    const rng = makeRng(7);
    const archs = Array.from({ length: 60 }, () => sampleArch(space, rng, { resolutions: RESOLUTIONS }));
    expect([...costByTables(space, tables)(archs)]).toEqual([...macs(archs)]);
  });

  it('do not read the choices of slots without a block', () => {
    const smallest = space.stages.map(({ depths }) => depths[0]!);
    const slots = space.stages.reduce((sum, { depths }) => sum + depths.at(-1)!, 0);
    const filled = (kernel: number, ratio: number): Arch => ({
      spaceId: space.id,
      // The first stage's last slot is beyond its smallest depth.
      kernelSizes: Array.from({ length: slots }, (_, slot) => (slot === 3 ? kernel : 3)),
      expandRatios: Array.from({ length: slots }, (_, slot) => (slot === 3 ? ratio : 3)),
      depths: smallest,
      resolution: 160,
    });
    const [plain, changed] = costByTables(space, tables)([filled(3, 3), filled(7, 6)]);
    expect(changed).toBe(plain);
  });

  it('say that a resolution without a table is unknown', () => {
    const arch = { ...sampleArch(space, makeRng(1), { resolutions: [160] }), resolution: 192 };
    expect(costByTables(space, tables)([arch])[0]).toBeNaN();
  });
});
