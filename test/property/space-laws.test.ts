import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeRng, type Rng } from '../../src/common/rng.js';
import { archId, assertArchInSpace, canonicalArch } from '../../src/space/arch.js';
import { makeCostTable } from '../../src/space/cost-table.js';
import { archCosts } from '../../src/space/costs.js';
import { crossoverArchs } from '../../src/space/crossover.js';
import { decodeArch, encodeArch, encodeArchs, encodingLength } from '../../src/space/encoding.js';
import { mutateArch } from '../../src/space/mutate.js';
import { sampleArch } from '../../src/space/sample.js';
import { activeSlots, depthLists, stemDepths, widthLists } from '../../src/space/slots.js';
import type { Arch, SearchSpace } from '../../src/space/types.js';
import { bundledSpace, MBV3_W10, MBV3_W12, PROXYLESS, RESNET50 } from '../unit/space/published-spaces.js';
import { tinyResNet, tinySpace } from '../unit/space/tiny-space.js';

const SPACES: readonly SearchSpace[] = [
  tinySpace(),
  tinyResNet(),
  bundledSpace(),
  MBV3_W10,
  MBV3_W12,
  PROXYLESS,
  RESNET50,
];
const TABLES = new Map(SPACES.map((space) => [space, makeCostTable(space)]));

/** Runs a law on random architectures; fast-check prints the seed of a failure. */
function holds(law: (space: SearchSpace, rng: Rng) => void): void {
  const space = fc.constantFrom(...SPACES);
  fc.assert(
    fc.property(space, fc.nat(), (chosen, seed) => law(chosen, makeRng(seed))),
    { numRuns: 200 },
  );
}

const drawn = (space: SearchSpace, rng: Rng): Arch =>
  sampleArch(space, rng, { uniformOver: rng.chance(0.5) ? 'choices' : 'subnets' });

describe('laws of architectures', () => {
  it('decoding an encoding gives the arch back, and equal networks have equal encodings', () => {
    holds((space, rng) => {
      const arch = drawn(space, rng);
      const encoding = encodeArch(space, arch);
      expect(encoding.length).toBe(encodingLength(space));
      expect(decodeArch(space, encoding)).toEqual(arch);
      const ones = 2 * activeSlots(space, arch).length + stemDepths(space) + widthLists(space).length + 1;
      expect(encoding.reduce((sum, value) => sum + value, 0)).toBe(ones);
    });
  });

  it('many architectures are encoded as each alone, into a used buffer too', () => {
    holds((space, rng) => {
      const archs = [drawn(space, rng), drawn(space, rng), drawn(space, rng)];
      const alone = archs.flatMap((arch) => [...encodeArch(space, arch)]);
      const buffer = new Float32Array(alone.length + 2).fill(7);
      expect([...encodeArchs(space, archs, buffer)]).toEqual([...alone, 7, 7]);
    });
  });

  it('sampling, mutation and crossover stay in the space, in canonical form, and leave their arguments alone', () => {
    holds((space, rng) => {
      const [a, b] = [drawn(space, rng), drawn(space, rng)];
      const before = JSON.stringify([a, b]);
      const made = [a, b, mutateArch(space, a, rng), crossoverArchs(space, [a, b], rng)];
      for (const arch of made) {
        assertArchInSpace(space, arch);
        expect(canonicalArch(space, arch)).toEqual(arch);
      }
      expect(JSON.stringify([a, b])).toBe(before);
    });
  });

  it('every active gene of a crossover comes from a parent', () => {
    holds((space, rng) => {
      const [a, b] = [drawn(space, rng), drawn(space, rng)];
      const child = crossoverArchs(space, [a, b], rng);
      for (const { slot } of activeSlots(space, child)) {
        expect([a.kernelSizes[slot], b.kernelSizes[slot]]).toContain(child.kernelSizes[slot]);
        expect([a.expandRatios[slot], b.expandRatios[slot]]).toContain(child.expandRatios[slot]);
      }
      child.depths.forEach((depth, stage) => {
        expect([a.depths[stage], b.depths[stage]]).toContain(depth);
      });
      child.widthIndices?.forEach((width, at) => {
        expect([a.widthIndices?.[at], b.widthIndices?.[at]]).toContain(width);
      });
      expect([a.resolution, b.resolution]).toContain(child.resolution);
    });
  });

  it('a mutation of no probability changes nothing, and one of certainty draws everything', () => {
    holds((space, rng) => {
      const arch = drawn(space, rng);
      const never = { blockProbability: 0, depthProbability: 0, widthProbability: 0, resolutionProbability: 0 };
      expect(mutateArch(space, arch, rng, never)).toEqual(arch);
      const resolutions = [space.resolutions[0]!];
      const always = { blockProbability: 1, depthProbability: 1, resolutionProbability: 1, resolutions };
      expect(mutateArch(space, arch, rng, always).resolution).toBe(resolutions[0]);
    });
  });

  it('the same seed draws the same architectures', () => {
    holds((space, rng) => {
      const twin = rng.fork('twin');
      const again = rng.fork('twin');
      expect(archId(space, drawn(space, twin))).toBe(archId(space, drawn(space, again)));
    });
  });
});

describe('laws of costs', () => {
  it('tables equal archCosts exactly', () => {
    holds((space, rng) => {
      const arch = drawn(space, rng);
      const { macs, params, modelBytes, peakMemoryBytes } = archCosts(space, arch);
      const table = TABLES.get(space)!;
      expect([table.macs([arch])[0], table.params([arch])[0]]).toEqual([macs, params]);
      expect([table.modelBytes([arch])[0], table.peakMemoryBytes([arch])[0]]).toEqual([modelBytes, peakMemoryBytes]);
    });
  });

  it('no cost falls when any choice grows', () => {
    const next = (values: readonly number[], value: number): number => values[values.indexOf(value) + 1] ?? value;
    holds((space, rng) => {
      const arch = drawn(space, rng);
      const slot = rng.pick(activeSlots(space, arch)).slot;
      const depth = rng.int(arch.depths.length);
      const widths = widthLists(space).map((list) => [...list.keys()]);
      const width = rng.int(Math.max(1, widths.length));
      const grown: Arch[] = [
        { ...arch, kernelSizes: arch.kernelSizes.with(slot, next(space.kernelSizes, arch.kernelSizes[slot]!)) },
        { ...arch, expandRatios: arch.expandRatios.with(slot, next(space.expandRatios, arch.expandRatios[slot]!)) },
        { ...arch, depths: arch.depths.with(depth, next(depthLists(space)[depth]!, arch.depths[depth]!)) },
        arch.widthIndices === undefined
          ? arch
          : { ...arch, widthIndices: arch.widthIndices.with(width, next(widths[width]!, arch.widthIndices[width]!)) },
        { ...arch, resolution: next(space.resolutions, arch.resolution) },
      ];
      const small = archCosts(space, arch);
      for (const large of grown.map((each) => archCosts(space, each))) {
        for (const key of ['macs', 'params', 'modelParams', 'modelBytes', 'peakMemoryBytes'] as const) {
          expect(large[key]).toBeGreaterThanOrEqual(small[key]);
        }
      }
    });
  });
});
