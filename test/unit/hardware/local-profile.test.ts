import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BespokeError } from '../../../src/common/errors.js';
import { makeRng } from '../../../src/common/rng.js';
import { completeTable, distinctBlocks, measuredResolutions } from '../../../src/hardware/blocks.js';
import { calibrateDrift } from '../../../src/hardware/drift.js';
import { makeLatencyModel } from '../../../src/hardware/latency-model.js';
import { canMeasureHere, localCpu } from '../../../src/hardware/local-cpu.js';
import {
  loadProfile,
  loadProfiles,
  parseProfile,
  profileRevision,
  saveProfile,
} from '../../../src/hardware/profile-file.js';
import { profileLocalCpu } from '../../../src/hardware/profile-local.js';
import { randomModel } from '../../../src/hardware/random-model.js';
import type { LatencyProfile, MeasuredProfile } from '../../../src/hardware/types.js';
import { decodeModel } from '../../../src/onnx/codec.js';
import { createSession } from '../../../src/runtime/session.js';
import { maxArch } from '../../../src/space/arch.js';
import { blockGroups, blockKey } from '../../../src/space/blocks.js';
import { lower } from '../../../src/space/lower.js';
import { sampleArch } from '../../../src/space/sample.js';
import { filled } from '../../../src/tensor/tensor.js';
import { tinySpace } from '../../helpers/supernets.js';

const space = tinySpace({ kernelSizes: [3, 5], expandRatios: [2, 3] });
const sampled = (count: number) => {
  const rng = makeRng(4);
  return Array.from({ length: count }, () => sampleArch(space, rng));
};
const macsOf = (layers: readonly { macs: number }[]): number => layers.reduce((sum, { macs }) => sum + macs, 0);

describe('blocks', () => {
  it('cover every block of every architecture', () => {
    const blocks = distinctBlocks(space, space.resolutions);
    for (const arch of sampled(200)) {
      for (const layers of blockGroups(lower(space, arch))) {
        const known = blocks.get(blockKey(layers));
        expect(known, blockKey(layers)).toBeDefined();
        expect(macsOf(known!)).toBe(macsOf(layers));
      }
    }
  });

  it('are measured at both ends and the middle of many resolutions, and interpolated in area between', () => {
    expect(measuredResolutions([20, 28, 24])).toEqual([20, 24, 28]);
    const wide = tinySpace({ resolutions: [16, 24, 32, 40, 48] });
    const at = measuredResolutions(wide.resolutions);
    expect(at).toEqual([16, 32, 48]);
    // Sides that are multiples of 8 have maps of exactly proportional area, so area-linear times are interpolated exactly:
    // MACs of blocks without squeeze-excite and linear layers, whose cost does not depend on the map.
    const perMap = (layers: Parameters<typeof blockKey>[0]): number =>
      layers.reduce((sum, { op, macs }) => sum + (op === 'conv' || op === 'depthwise' ? macs : 0), 0);
    const measured = new Map([...distinctBlocks(wide, at)].map(([key, layers]) => [key, perMap(layers)]));
    const table = completeTable(wide, measured, at);
    const all = distinctBlocks(wide, wide.resolutions);
    expect(Object.keys(table)).toHaveLength(all.size);
    for (const [key, layers] of all) expect(table[key]! - perMap(layers)).toBeCloseTo(0, 6);
  });

  it('stand alone as models: every block runs and has the shape that it should', async () => {
    for (const layers of distinctBlocks(space, [15]).values()) {
      const model = randomModel(layers, makeRng(1));
      const first = layers[0]!;
      const last = layers.at(-1)!;
      const session = await createSession(model, { threads: 1, optimization: 'all' });
      const { output } = await session.run({ input: filled([1, first.inChannels, first.inSize, first.inSize], 0.5) });
      await session.release();
      const isVector = last.op === 'linear';
      expect(output!.dims).toEqual(
        isVector ? [1, last.outChannels] : [1, last.outChannels, last.outSize, last.outSize],
      );
      expect(Array.from(output!.data as Float32Array).every(Number.isFinite)).toBe(true);
    }
  });

  it('keep the operators of a whole network', () => {
    const layers = lower(space, maxArch(space));
    const sorted = (types: readonly string[]): string[] => [...types].sort();
    const typesOf = (part: typeof layers): string[] =>
      decodeModel(randomModel(part, makeRng(1))).graph.nodes.map((node) => node.opType);
    expect(sorted(blockGroups(layers).flatMap((group) => typesOf([...group])))).toEqual(sorted(typesOf(layers)));
  });
});

/** The shortest profile; a machine that was too busy for it, as beside other tests, is measured longer. */
async function profileAsSoonAsQuiet(): Promise<MeasuredProfile> {
  for (const seconds of [0, 2, 5]) {
    try {
      return await profileLocalCpu(space, { seed: 1, seconds });
    } catch (error) {
      if (!(error instanceof BespokeError && error.code === 'no-latency-data')) throw error;
    }
  }
  return profileLocalCpu(space, { seed: 1, seconds: 10 });
}

describe('the profile of this machine', () => {
  let dir: string;
  let profile: MeasuredProfile;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'profiles-'));
    profile = await profileAsSoonAsQuiet();
  }, 60_000);
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('covers the space, with errors on networks that were not fitted', () => {
    expect(Object.keys(profile.table).sort()).toEqual([...distinctBlocks(space, space.resolutions).keys()].sort());
    expect(profile).toMatchObject({ spaceId: 'tiny', statistic: 'p50', resolutions: [12, 15], hardware: localCpu() });
    expect(profile.holdout.nets).toBe(30);
    expect(profile.holdout.mapePercent).toBeGreaterThan(0);
    expect(profile.holdout.p90Percent).toBeLessThanOrEqual(profile.holdout.maxPercent);
    expect(profile.references).toHaveLength(3);
    expect(canMeasureHere(profile.hardware)).toBe(true);
    expect(
      canMeasureHere({ ...profile.hardware, fingerprint: { ...profile.hardware.fingerprint, cpu: 'other' } }),
    ).toBe(false);
  });

  it('predicts scale * sum over the blocks + offset, times the drift', () => {
    const archs = sampled(50);
    const predicted = makeLatencyModel(space, profile).predict(archs);
    const slower = makeLatencyModel(space, profile, 1.5).predict(archs);
    archs.forEach((arch, i) => {
      const sum = blockGroups(lower(space, arch)).reduce(
        (total, layers) => total + profile.table[blockKey(layers)]!,
        0,
      );
      expect(predicted[i]).toBeCloseTo(profile.scale * sum + profile.offsetMs, 10);
      expect(slower[i]).toBeCloseTo(1.5 * predicted[i]!, 10);
    });
  });

  it('refuses another space, an unknown resolution and a missing block', () => {
    expect(() => makeLatencyModel(tinySpace({ id: 'other' }), profile)).toThrow(
      /for the space "tiny", not for "other"/,
    );
    const narrow = makeLatencyModel(space, { ...profile, resolutions: [12] });
    expect(() => narrow.predict([{ ...maxArch(space), resolution: 15 }])).toThrow(/resolutions 12; asked was 15/);
    const empty = makeLatencyModel(space, { ...profile, table: {} });
    expect(() => empty.predict([maxArch(space)])).toThrow(/has no time for the block/);
  });

  it('is measured again in a moment as a factor', async () => {
    const drift = await calibrateDrift(space, profile);
    expect(drift).toBeGreaterThan(0);
    const doubled = { ...profile, references: profile.references!.map(({ arch, ms }) => ({ arch, ms: 1000 * ms })) };
    expect(await calibrateDrift(space, doubled)).toBeLessThan(0.1);
    const { references: _, ...without } = profile;
    expect(await calibrateDrift(space, without)).toBe(1);
  });

  it('survives being saved and loaded, and is replaced by a newer one', async () => {
    const kept = join(dir, 'kept');
    expect(await loadProfile(kept, 'local-cpu', 'tiny')).toBeUndefined();
    expect(await loadProfiles(join(dir, 'none'))).toEqual([]);
    await saveProfile(kept, profile);
    await saveProfile(kept, profile);
    expect(readdirSync(kept)).toHaveLength(1);
    expect(await loadProfile(kept, 'local-cpu', 'tiny')).toEqual(profile);
    expect(await loadProfiles(kept)).toEqual([profile]);
  });

  it('keeps strange ids within its folder', async () => {
    const figures = { ...profile, spaceId: '../../evil' };
    const path = await saveProfile(join(dir, 'strange'), { ...figures, revision: profileRevision(figures) });
    expect(readdirSync(join(dir, 'strange')).map((name) => join(dir, 'strange', name))).toEqual([path]);
    expect((await loadProfile(join(dir, 'strange'), 'local-cpu', '../../evil'))?.spaceId).toBe('../../evil');
  });

  it('names what is wrong with a file', async () => {
    const json = JSON.stringify(profile);
    const changed = (part: object): string => JSON.stringify({ ...profile, ...part });
    expect(parseProfile(json, 'x')).toEqual(profile);
    expect(() => parseProfile('{', 'x.json')).toThrow(/"x.json" is not a latency profile: it is not JSON/);
    expect(() => parseProfile(changed({ scale: 2 * profile.scale }), 'x')).toThrow(/revision/);
    expect(() => parseProfile(changed({ scale: '1' }), 'x')).toThrow(/"scale" is "1"/);
    expect(() => parseProfile(changed({ table: { a: null } }), 'x')).toThrow(/"table"/);
    expect(() => parseProfile(changed({ hardware: {} }), 'x')).toThrow(/"hardware"/);
    expect(() => parseProfile(changed({ resolutions: undefined }), 'x')).toThrow(/"resolutions" is missing/);
    const path = await saveProfile(join(dir, 'broken'), profile);
    writeFileSync(path, readFileSync(path, 'utf8').replace('"p50"', '"p51"'));
    await expect(loadProfiles(join(dir, 'broken'))).rejects.toMatchObject({ code: 'invalid-request' });
    const whole = { ...profile, hardware: { ...profile.hardware, id: 'whole' } };
    await saveProfile(join(dir, 'broken'), { ...whole, revision: profileRevision(whole) });
    const refused: string[] = [];
    const others = await loadProfiles(join(dir, 'broken'), (file, { message }) => refused.push(file, message));
    expect(others.map(({ hardware }) => hardware.id)).toEqual(['whole']);
    expect(refused).toEqual([path, expect.stringMatching(/"statistic" is "p51"/)]);
  });

  it('has a revision of its figures alone', () => {
    expect(profileRevision({ ...profile, measuredAt: 'later', seconds: 9 } as LatencyProfile)).toBe(profile.revision);
    expect(profileRevision({ ...profile, offsetMs: profile.offsetMs + 1e-9 })).not.toBe(profile.revision);
  });

  it('stops when told to', async () => {
    await expect(profileLocalCpu(space, { seed: 1, signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });
});
