import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { importTables } from '../../../src/hardware/import-tables.js';
import { latencyInterval } from '../../../src/hardware/latency-bounds.js';
import { blockMs, makeLatencyModel } from '../../../src/hardware/latency-model.js';
import { parseLookupTable, tableResolution } from '../../../src/hardware/lookup-table.js';
import { parseProfile } from '../../../src/hardware/profile-file.js';
import type { HardwareType } from '../../../src/hardware/types.js';
import { checkFeasibleFast } from '../../../src/search/infeasible.js';
import { blockGroups } from '../../../src/space/blocks.js';
import { lower } from '../../../src/space/lower.js';
import { PUBLISHED_SPACES } from '../../../src/space/published.js';
import { parseArch } from '../../../src/space/reference-spelling.js';
import { sampleArch } from '../../../src/space/sample.js';
import type { Arch, SearchSpace } from '../../../src/space/types.js';
import { madeUpTable, mobile, type TableForm, tableText, walkedLatency } from '../../helpers/lookup-tables.js';
import { hasReference, referenceJson, referenceText } from '../../helpers/reference.js';
import { MBV3_W10, MBV3_W12, PROXYLESS } from '../space/published-spaces.js';

const PHONE: HardwareType = {
  id: 'phone',
  name: 'A phone',
  device: 'phone',
  runtime: 'not stated',
  precision: 'fp32',
  threads: 1,
  batch: 1,
  provenance: 'table',
};

/** Sums of the same doubles in another order. */
const RELATIVE = 1e-13;

const read = (text: string, file: string) => {
  const entries = parseLookupTable(text, `"${file}"`);
  return { file, sha256: 'sha', resolution: tableResolution(file, entries), entries };
};

function madeUp(space: SearchSpace, resolutions: readonly number[], form: TableForm) {
  const tables = new Map(resolutions.map((side) => [side, madeUpTable(mobile(space), side, form)]));
  const files = [...tables].map(([side, table]) => read(tableText(table), `${side}_lookup_table.yaml`));
  return { tables, profiles: importTables(files, PUBLISHED_SPACES, PHONE) };
}

const sampled = (space: SearchSpace, resolutions: readonly number[], count: number): Arch[] => {
  const rng = makeRng(3);
  return Array.from({ length: count }, () => ({ ...sampleArch(space, rng), resolution: rng.pick([...resolutions]) }));
};

describe('lookup tables in the published format', () => {
  it.each([
    { space: MBV3_W10, form: 'hidden', resolutions: [128, 144, 224] },
    { space: MBV3_W12, form: 'hidden', resolutions: [176, 192] },
    { space: PROXYLESS, form: 'ratio', resolutions: [160, 164] },
  ] as const)('add up as the published code walks them: $space.id', ({ space, form, resolutions }) => {
    const { tables, profiles } = madeUp(space, resolutions, form);
    expect(profiles.map(({ spaceId }) => spaceId)).toEqual([space.id]);
    const [profile] = profiles;
    expect(profile).toMatchObject({ statistic: 'mean', resolutions, scale: 1, offsetMs: 0, hardware: PHONE });
    const model = makeLatencyModel(space, profile!);
    const archs = sampled(space, resolutions, 100);
    const predicted = model.predict(archs);
    archs.forEach((arch, i) => {
      const expected = walkedLatency(mobile(space), arch, { tables, form });
      expect(Math.abs(predicted[i]! - expected) / expected).toBeLessThan(RELATIVE);
      const blocks = blockGroups(lower(space, arch)).map((layers) => blockMs(profile!, layers, arch.resolution)!);
      expect(blocks.reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(expected, 10);
    });
  });

  it('keep the times of blocks apart that look alike at two resolutions', () => {
    // At 176 and 192 pixels the last stage works on maps of 6 x 6, timed twice with different noise.
    const { tables, profiles } = madeUp(MBV3_W12, [176, 192], 'hidden');
    const shared = [...tables.get(176)!.keys()].filter((key) => tables.get(192)!.has(key));
    expect(shared.length).toBeGreaterThan(10);
    expect(shared.some((key) => tables.get(176)!.get(key) !== tables.get(192)!.get(key))).toBe(true);
    expect(Object.keys(profiles[0]!.table).every((key) => /^(176|192): /.test(key))).toBe(true);
  });

  it('make a profile that survives its file and knows no error', () => {
    const [profile] = madeUp(MBV3_W10, [128], 'hidden').profiles;
    expect(parseProfile(JSON.stringify(profile), 'x')).toEqual(profile);
    expect(profile?.sources).toEqual([{ file: '128_lookup_table.yaml', sha256: 'sha', resolution: 128 }]);
    expect(latencyInterval(profile!, 20, 0.9)).toBeUndefined();
    expect(() => makeLatencyModel(MBV3_W10, profile!).predict(sampled(MBV3_W10, [132], 1))).toThrow(
      /covers the resolutions 128; asked was 132, nearest 128/,
    );
  });

  it('prove what cannot be met: the smallest sum is the exact one', () => {
    const { tables, profiles } = madeUp(MBV3_W10, [128, 160], 'hidden');
    const model = makeLatencyModel(MBV3_W10, profiles[0]!);
    const limit = { id: 'maxLatencyMs', max: 0.1, cost: model.predict };
    // Times are positive, so the smallest network has the fewest blocks, each at the fastest of its own choices.
    const fastest = (arch: Arch): Arch => {
      const kernelSizes = [...arch.kernelSizes];
      const expandRatios = [...arch.expandRatios];
      kernelSizes.forEach((_, slot) => {
        const tried = MBV3_W10.kernelSizes.flatMap((kernel) =>
          MBV3_W10.expandRatios.map((ratio) => {
            const changed = {
              ...arch,
              kernelSizes: kernelSizes.with(slot, kernel),
              expandRatios: expandRatios.with(slot, ratio),
            };
            return { kernel, ratio, ms: walkedLatency(mobile(MBV3_W10), changed, { tables, form: 'hidden' }) };
          }),
        );
        const best = tried.reduce((a, b) => (b.ms < a.ms ? b : a));
        kernelSizes[slot] = best.kernel;
        expandRatios[slot] = best.ratio;
      });
      return { ...arch, kernelSizes, expandRatios };
    };
    const smallest = [128, 160].map((resolution) => {
      const start = { ...sampled(MBV3_W10, [resolution], 1)[0]!, depths: [2, 2, 2, 2, 2] };
      return walkedLatency(mobile(MBV3_W10), fastest(start), { tables, form: 'hidden' });
    });
    const report = checkFeasibleFast(MBV3_W10, [limit], [128, 160]);
    expect(report?.binding).toEqual(['maxLatencyMs']);
    expect(report?.nearestFeasible.maxLatencyMs).toBeCloseTo(Math.min(...smallest), 10);
    const above = { ...limit, max: Math.min(...smallest) + 1e-9 };
    expect(checkFeasibleFast(MBV3_W10, [above], [128, 160])).toBeUndefined();
  });
});

describe.skipIf(!hasReference('official/note10'))('the published Note10 tables', () => {
  const SIDES = [160, 176, 192, 208, 224];
  const profileOf = () => {
    const files = SIDES.map((side) => `${side}_lookup_table.yaml`);
    return importTables(
      files.map((file) => read(referenceText(`official/note10/${file}`), file)),
      PUBLISHED_SPACES,
      PHONE,
    );
  };

  it('are of the MobileNetV3 space of width 1.2, and sum to what a Python walk over them sums to', () => {
    const profiles = profileOf();
    expect(profiles.map(({ spaceId, resolutions }) => [spaceId, resolutions])).toEqual([['ofa-mbv3-w1.2', SIDES]]);
    const golden = JSON.parse(readFileSync('test/golden/latency-tables/sums.json', 'utf8')) as readonly {
      readonly ms: number;
    }[]; // as make.py writes it
    const predicted = makeLatencyModel(MBV3_W12, profiles[0]!).predict(golden.map((row) => parseArch(MBV3_W12, row)));
    expect(golden).toHaveLength(60);
    golden.forEach(({ ms }, i) => {
      expect(Math.abs(predicted[i]! - ms) / ms).toBeLessThan(RELATIVE);
    });
  });

  it('give the one published network whose resolution and width they have its published 30 ms', () => {
    const networks = referenceJson('official/published.json') as readonly {
      readonly id: string;
      readonly resolution: number;
      readonly latencyMs: number;
      readonly blocks: readonly { readonly cout: number; readonly k: number; readonly e: number }[];
    }[]; // told in the reference data's README
    const network = networks.find(({ id }) => id.startsWith('note10_lat-30ms'))!;
    const stages = mobile(MBV3_W12).stages.map(({ channels }) =>
      network.blocks.slice(1).filter(({ cout }) => cout === channels),
    );
    const padded = stages.flatMap((blocks) => Array.from({ length: 4 }, (_, i) => blocks[i] ?? { k: 3, e: 3 }));
    const arch = parseArch(MBV3_W12, {
      ks: padded.map(({ k }) => k),
      e: padded.map(({ e }) => e),
      d: stages.map(({ length }) => length),
      r: network.resolution,
    });
    const [ms] = makeLatencyModel(MBV3_W12, profileOf()[0]!).predict([arch]);
    expect(Math.round(ms!)).toBe(network.latencyMs);
  });
});
