import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { canonicalJson, sha256 } from '../../../src/common/hash.js';
import { archId, assertArchInSpace, canonicalArch, maxArch, minArch } from '../../../src/space/arch.js';
import { parseArch, toReferenceSpelling } from '../../../src/space/reference-spelling.js';
import { activeSlots } from '../../../src/space/slots.js';
import { tinyResNet, tinySpace } from './tiny-space.js';

const space = tinySpace();
const arch = {
  spaceId: 'tiny',
  kernelSizes: [5, 3, 5, 5, 3],
  expandRatios: [2, 3, 3, 2, 2],
  depths: [1, 3],
  resolution: 16,
};

describe('arch identity', () => {
  it('ignores what inactive slots say, and nothing else', () => {
    const other = { ...arch, kernelSizes: [5, 5, 5, 5, 3], expandRatios: [2, 2, 3, 2, 2] };
    expect(archId(space, other)).toBe(archId(space, arch));
    expect(archId(space, { ...arch, resolution: 12 })).not.toBe(archId(space, arch));
    expect(archId(space, { ...arch, kernelSizes: [3, 3, 5, 5, 3] })).not.toBe(archId(space, arch));
    expect(archId(tinySpace({ id: 'other' }), arch)).not.toBe(archId(space, arch));
  });

  it('is the id that was given out before other families came', () => {
    // sha256 of the canonical JSON, computed apart: keys in order, no spaces.
    const text =
      '{"depths":[1,3],"expandRatios":[2,2,3,2,2],"kernelSizes":[5,3,5,5,3],"resolution":16,"spaceId":"tiny"}';
    expect(archId(space, arch)).toBe(createHash('sha256').update(text).digest('hex'));
    expect(archId(space, { ...arch, widthIndices: [1] })).toBe(archId(space, arch));
  });

  it.each([
    ['no elastic widths', space],
    ['elastic widths', tinyResNet()],
  ])('is the sha256 of the canonical JSON, of %s', (_, each) => {
    for (const some of [minArch(each), maxArch(each)]) {
      expect(archId(each, some)).toBe(sha256(canonicalJson(canonicalArch(each, some))));
    }
  });

  it('holds the smallest values in inactive slots', () => {
    expect(canonicalArch(space, arch)).toEqual({ ...arch, expandRatios: [2, 2, 3, 2, 2] });
    expect(activeSlots(space, arch).map(({ slot }) => slot)).toEqual([0, 2, 3, 4]);
  });

  it('max and min arch are the ends of every choice', () => {
    expect(maxArch(space)).toEqual({
      spaceId: 'tiny',
      kernelSizes: [5, 5, 5, 5, 5],
      expandRatios: [3, 3, 3, 3, 3],
      depths: [2, 3],
      resolution: 16,
    });
    expect(minArch(space)).toMatchObject({ kernelSizes: [3, 3, 3, 3, 3], depths: [1, 1], resolution: 12 });
  });
});

describe('assertArchInSpace', () => {
  const refused = (wrong: Partial<typeof arch>, sentence: RegExp): void => {
    expect(() => assertArchInSpace(space, { ...arch, ...wrong })).toThrow(sentence);
    expect(() => assertArchInSpace(space, { ...arch, ...wrong })).toThrow(
      expect.objectContaining({ code: 'arch-out-of-space' }),
    );
  };

  it('names the slot, the value and what is allowed', () => {
    refused({ kernelSizes: [5, 3, 5, 9, 3] }, /kernelSizes\[3\] \(stage 1, block 1\) is 9; it must be one of 3, 5/);
    refused({ expandRatios: [7, 3, 3, 2, 2] }, /expandRatios\[0\] \(stage 0, block 0\) is 7; it must be one of 2, 3/);
    refused({ depths: [1, 2] }, /depths\[1\] is 2; it must be one of 1, 3/);
    refused({ resolution: 14 }, /resolution is 14; it must be one of 12, 16/);
    refused({ spaceId: 'other' }, /spaceId is "other"; it must be "tiny"/);
    refused({ kernelSizes: [5, 3] }, /number of kernelSizes is 2; it must be 5/);
  });

  it('does not look at inactive slots', () => {
    expect(() => assertArchInSpace(space, { ...arch, kernelSizes: [5, 99, 5, 5, 3] })).not.toThrow();
  });
});

describe('parseArch', () => {
  it('reads both spellings as the same arch', () => {
    const { spaceId: _, ...own } = arch;
    const expected = canonicalArch(space, arch);
    const { kernelSizes: ks, expandRatios: e, depths: d } = arch;
    expect(parseArch(space, own)).toEqual(expected);
    expect(parseArch(space, { ks, e, d, r: 16 })).toEqual(expected);
    expect(parseArch(space, { ks, e, d, r: [16] })).toEqual(expected);
    expect(parseArch(space, { name: 'x', ks, e, d, image_size: 16 })).toEqual(expected);
    expect(parseArch(space, toReferenceSpelling(space, arch))).toEqual(expected);
  });

  it('broadcasts scalars, and takes a published depth beyond the slots as all of them', () => {
    expect(parseArch(space, { ks: 5, e: 3, d: 9, r: 16 })).toEqual(maxArch(space));
    expect(() => parseArch(space, { kernelSizes: 5, expandRatios: 3, depths: 9, resolution: 16 })).toThrow(
      /depths\[0\] is 9/,
    );
  });

  it("reads the published ResNets' spelling: blocks on top of the fewest, the stem by 2 or not, widths by index", () => {
    const resnet = tinyResNet();
    const expected = {
      spaceId: 'tiny-resnet',
      kernelSizes: [3, 3, 3, 3, 3],
      expandRatios: [0.5, 0.25, 0.25, 0.5, 0.25],
      depths: [1, 1, 2],
      widthIndices: [1, 0, 1, 1],
      resolution: 17,
    };
    const published = { d: [2, 0, 0], e: [0.5, 0.5, 0.25, 0.5, 0.5], w: [1, 0, 1, 1], r: 17 };
    expect(parseArch(resnet, published)).toEqual(expected);
    expect(parseArch(resnet, { ...published, d: [1, 0, 0] }).depths).toEqual([0, 1, 2]);
    expect(parseArch(resnet, { ...published, d: [0, 1, 1] }).depths).toEqual([0, 2, 3]);
    expect(parseArch(resnet, toReferenceSpelling(resnet, expected))).toEqual(expected);
    const { kernelSizes: _, spaceId: __, ...own } = expected;
    expect(parseArch(resnet, own)).toEqual(expected);
    expect(() => parseArch(resnet, { ...published, d: [2, 2, 0] })).toThrow(/depths\[1\] is 3; it must be one of 1, 2/);
    expect(() => parseArch(resnet, { ...published, w: [2, 0, 1, 1] })).toThrow(
      /widthIndices\[0\] is 2; it must be an index into 8, 16: 0 to 1/,
    );
    expect(() => parseArch(resnet, { ...published, w: undefined })).toThrow(
      /w must be a number or a list of 4 numbers/,
    );
    expect(() => assertArchInSpace(space, { ...arch, widthIndices: [0] })).toThrow(/must be none/);
  });

  it('accepts a resolution outside the set only where it is asked to', () => {
    const json = { ks: 3, e: 2, d: 1, r: 11 };
    expect(() => parseArch(space, json)).toThrow(/resolution is 11/);
    expect(parseArch(space, json, { anyResolution: true }).resolution).toBe(11);
    for (const r of [7, 11.5, -16]) {
      expect(() => parseArch(space, { ...json, r }, { anyResolution: true })).toThrow(/at least 8/);
    }
  });

  it('refuses malformed JSON in one sentence', () => {
    const refused = (json: unknown, sentence: RegExp): void => {
      expect(() => parseArch(space, json, { where: 'net.json' })).toThrow(sentence);
    };
    refused(null, /net.json must be a JSON object; given: null/);
    refused([], /must be a JSON object/);
    refused({}, /net.json: depths must be a number or a list of 2 numbers; given: nothing/);
    refused(
      { ks: [3], e: 2, d: 1, r: 16 },
      /net.json: ks must be a number or a list of 5 numbers; given: "a list of 1"/,
    );
    refused({ ks: 3, e: 2, d: 1 }, /net.json: r must be a number of pixels; given: nothing/);
    refused({ ks: ['3', 3, 3, 3, 3], e: 2, d: 1, r: 16 }, /kernelSizes\[0\]/);
  });
});
