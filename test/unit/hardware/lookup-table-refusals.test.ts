import { describe, expect, it } from 'vitest';
import { importTables } from '../../../src/hardware/import-tables.js';
import { parseLookupTable, tableResolution } from '../../../src/hardware/lookup-table.js';
import type { HardwareType } from '../../../src/hardware/types.js';
import { PUBLISHED_SPACES } from '../../../src/space/published.js';
import type { SearchSpace } from '../../../src/space/types.js';
import { madeUpTable, mobile, type TableForm } from '../../helpers/lookup-tables.js';
import { MBV3_W10, MBV3_W12, PROXYLESS, RESNET50 } from '../space/published-spaces.js';

const PHONE = { id: 'phone', name: '', device: '', runtime: '', precision: 'fp32', threads: 1, batch: 1 } as const;
const TABLE: HardwareType = { ...PHONE, provenance: 'table' };

const KEY = 'Conv-input:224x224x3-output:112x112x24';

describe('a file that is no lookup table', () => {
  it.each([
    ['', /^"f" is no latency lookup table: it is empty$/],
    ['# nothing\n', /no latency lookup table: it holds null/],
    ['{}', /is empty$/],
    ['<!DOCTYPE html><title>404</title>', /it is a web page; the address answered with a page/],
    ['\n<html lang="en">', /it is a web page/],
    ['{"a": ', /it is neither YAML nor JSON \(.+\)$/],
    ['404: Not Found', /it has the key "404"; keys look like "Conv-input:/],
    ['just words', /it holds "just words" instead of keys with times/],
    ['[1, 2]', /it holds \[1,2\] instead of keys/],
    [
      `${KEY}:\n  mean: fast\n`,
      /"Conv-input:.*" must have a "mean" in milliseconds, of 0 or more, got {"mean":"fast"}/,
    ],
    [`${KEY}:\n  mean: -1\n`, /got {"mean":-1}/],
    [`${KEY}:\n  p50: 1\n`, /must have a "mean"/],
    [`${KEY}:\n  mean: .nan\n`, /must have a "mean"/],
    [`${KEY}: 1\n${KEY}: 2\n`, /neither YAML nor JSON \(Map keys must be unique/],
    [`${KEY}: ${'x'.repeat(4_000_001)}`, /characters, read are up to 4000000/],
  ])('is refused in one sentence: %.40s', (text, sentence) => {
    expect(() => parseLookupTable(text, '"f"')).toThrow(sentence);
    expect(() => parseLookupTable(text, '"f"')).toThrow(/^[^\n]*$/);
  });

  it('may be JSON of the same shape', () => {
    expect(parseLookupTable(JSON.stringify({ [KEY]: { mean: 1.5 } }), '"f"')).toEqual(new Map([[KEY, 1.5]]));
  });
});

describe('the resolution of a table', () => {
  const entries = (...sides: readonly number[]) =>
    new Map(sides.map((side) => [`Conv-input:${side}x${side}x3-output:${side / 2}x${side / 2}x24`, 1]));

  it('is the number in the name that the stem has, or what was asked, or the only one there is', () => {
    expect(tableResolution('224_lookup_table.yaml', entries(224))).toBe(224);
    expect(tableResolution('note10-v2-192.yaml', entries(160, 192))).toBe(192);
    expect(tableResolution('table.yaml', entries(160))).toBe(160);
    expect(tableResolution('table.yaml', entries(160, 192), 192)).toBe(192);
    expect(tableResolution('note10.yaml', entries(160), 160)).toBe(160);
  });

  it('is refused where the name, the user and the table disagree', () => {
    expect(() => tableResolution('176_lookup_table.yaml', entries(160))).toThrow(
      '"176_lookup_table.yaml" has 176 in its name, but its stem is timed at 160; --resolution N says which counts',
    );
    expect(() => tableResolution('table.yaml', entries(160, 176))).toThrow(/does not say its resolution .* 160, 176/);
    expect(() => tableResolution('160.yaml', entries(160), 164)).toThrow(
      /was given as the table of the resolution 164, but its stem is timed at 160$/,
    );
    expect(() => tableResolution('160.yaml', new Map())).toThrow(/it has no key of a stem/);
  });
});

describe('tables that fit no space', () => {
  const table = (space: SearchSpace, resolution: number, form: TableForm = 'hidden') => ({
    file: `${resolution}.yaml`,
    sha256: '',
    resolution,
    entries: madeUpTable(mobile(space), resolution, form),
  });
  const importing =
    (tables: Parameters<typeof importTables>[0], spaces: readonly SearchSpace[] = PUBLISHED_SPACES) =>
    () =>
      importTables(tables, spaces, TABLE);

  it('name the first missing key and its block', () => {
    const whole = table(MBV3_W12, 160);
    const without = (gone: (key: string) => boolean) => ({
      ...whole,
      entries: new Map([...whole.entries].filter(([key]) => !gone(key))),
    });
    const key = 'expanded_conv-input:10x10x96-output:10x10x136-expand:576-kernel:5-stride:1-idskip:0-se:1-hs:1';
    expect(whole.entries.has(key)).toBe(true);
    expect(importing([table(MBV3_W12, 176), without((each) => each === key)])).toThrow(
      `"160.yaml" has no time for stage 3, block 0 with kernel size 5 and 576 channels of "ofa-mbv3-w1.2": the key "${key}" is missing`,
    );
    expect(importing([without((each) => each.startsWith('Logits'))])).toThrow(
      /no time for the head of .*"Logits-input:1x1x1536-output:1000" is missing$/,
    );
    expect(importing([without((each) => /^(Conv|Conv_2)-/.test(each))])).toThrow(
      /no time for the stem of .* \(and 1 more keys\)$/,
    );
  });

  it('say that they are of another network', () => {
    const other = {
      ...mobile(MBV3_W12),
      stem: { ...mobile(MBV3_W12).stem, channels: 8 },
      stages: mobile(MBV3_W12).stages.map((stage) => ({ ...stage, channels: stage.channels + 8 })),
    };
    expect(importing([table(other, 160)])).toThrow(
      /"160.yaml" is the table of another network: of the 96 keys of "ofa-mbv3-w1.\d" at 160/,
    );
    expect(importing([table(PROXYLESS, 160, 'ratio')], [MBV3_W10])).toThrow(/is the table of another network/);
    expect(importing([table(MBV3_W12, 160), table(MBV3_W10, 176)])).toThrow(
      /"(160|176).yaml" is the table of another network/,
    );
    expect(importing([table(MBV3_W12, 160)], [RESNET50])).toThrow(
      /inverted residuals alone, "ofa-resnet50" has bottlenecks/,
    );
  });

  it('are refused for a resolution that the space lacks, and twice for the same', () => {
    expect(importing([table(MBV3_W12, 170)])).toThrow(
      '"170.yaml" is for the resolution 170, which "ofa-mbv3-w1.2" does not have; the nearest are 168 and 172',
    );
    expect(importing([table(MBV3_W12, 240)])).toThrow(/the nearest are 224$/);
    const twice = [table(MBV3_W12, 160), { ...table(MBV3_W12, 160), file: 'again_160.yaml' }];
    expect(importing(twice)).toThrow('"160.yaml" and "again_160.yaml" are both for the resolution 160; give one');
  });
});
