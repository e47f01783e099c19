import { describe, expect, it } from 'vitest';
import { parseSpace } from '../../../src/space/parse-space.js';
import { PUBLISHED_SPACES } from '../../../src/space/published.js';
import { bundledSpace } from './published-spaces.js';
import { tinyResNet, tinySpace } from './tiny-space.js';

const copy = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('parseSpace', () => {
  it('gives back what was written', () => {
    for (const space of [...PUBLISHED_SPACES, tinySpace(), tinyResNet(), bundledSpace()]) {
      expect(parseSpace(copy(space), 'space.json')).toEqual(space);
    }
  });

  it('does without the optional parts', () => {
    const { firstBlock: _, finalExpand: __, featureMix: ___, ...rest } = tinySpace();
    expect(parseSpace(rest, 'space.json')).toEqual(rest);
  });

  it('refuses each broken rule in a sentence that names it', () => {
    const refused = (change: Record<string, unknown>, sentence: RegExp): void => {
      expect(() => parseSpace({ ...tinySpace(), ...change }, 'x.json')).toThrow(sentence);
      expect(() => parseSpace({ ...tinySpace(), ...change }, 'x.json')).toThrow(
        expect.objectContaining({ code: 'invalid-request' }),
      );
    };
    const stage = tinySpace().stages[0];
    refused({ family: 'vgg' }, /x.json: family must be one of mobilenet-v3, resnet-d; given: "vgg"/);
    refused({ id: 'A b' }, /x.json: id must be lower-case letters/);
    refused({ classes: 1 }, /x.json: classes must be a whole number from 2 to 100000; given: 1/);
    refused({ kernelSizes: [5, 3] }, /kernelSizes must be an ascending list/);
    refused({ kernelSizes: [3, 4] }, /an odd whole number/);
    refused({ kernelSizes: [1, 3] }, /out of 3, 5, 7 where kernelTransform is true/);
    refused({ expandRatios: [1, 2] }, /a number above 1/);
    refused({ resolutions: [] }, /x.json: resolutions must be a list of 1 to 256 entries/);
    refused({ resolutions: [16.5] }, /whole number from 8/);
    refused({ stem: undefined }, /x.json: stem must be a JSON object; given: nothing/);
    refused({ stages: [{ ...stage, stride: 3 }] }, /x.json: stages\[0\]: stride must be 1 or 2; given: 3/);
    refused({ stages: [{ ...stage, depths: [0, 1] }] }, /stages\[0\]: depths must be an ascending list/);
    refused({ stages: [{ ...stage, activation: 'gelu' }] }, /activation must be one of none, relu, relu6, hSwish/);
    refused({ featureMix: { channels: 8, activation: 'relu', bias: 'yes' } }, /featureMix: bias must be true or false/);
    refused({ finalExpend: {} }, /has a member "finalExpend" that is not known; known are: family, id/);
    refused({ bnEpsilon: 0 }, /bnEpsilon must be a number above 0/);
  });

  it('refuses what a ResNet-D-like space cannot have', () => {
    const refused = (change: Record<string, unknown>, sentence: RegExp): void => {
      expect(() => parseSpace({ ...tinyResNet(), ...change }, 'x.json')).toThrow(sentence);
    };
    const { stem, stages } = tinyResNet();
    refused({ kernelSizes: [3, 5] }, /kernelSizes must be a list of one/);
    refused({ kernelTransform: true }, /kernelTransform must be false/);
    refused({ expandRatios: [0.5, 2] }, /a number above 0 and at most 1/);
    refused(
      { stem: { ...stem, depths: [0, 2] } },
      /stem: depths must be an ascending list, each entry a whole number from 0 to 1/,
    );
    refused({ stem: { ...stem, widths: [24, 8] } }, /stem: widths must be a list that never falls/);
    refused({ stages: [{ ...stages[0], channels: 8 }] }, /stages\[0\] has a member "channels" that is not known/);
    refused({ featureMix: { channels: 8 } }, /has a member "featureMix" that is not known/);
  });
});
