import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { codeOnly, findings, roomOf, type SourceFile, sourceFiles } from './source-files.js';

interface Rules {
  readonly rooms: Readonly<Record<string, unknown>>;
  readonly pure: readonly string[];
  readonly owned: Readonly<Record<string, string>>;
}

const rules = createRequire(import.meta.url)('../../.dependency-cruiser.cjs').bespokeRules as Rules; // our own file's shape
const src = sourceFiles('src');
const pureFiles = src.filter(({ path }) => rules.pure.includes(roomOf(path)));

/** Longest source file, lines; a few tables may need the last fifty. */
const MAX_LINES = 350;
/** Longest test file, lines. */
const MAX_TEST_LINES = 300;
/** Rooms whose files are numeric work, with a tighter bound on their spread. */
const NUMERIC = new Set([
  'tensor',
  'onnx',
  'space',
  'autodiff',
  'search',
  'supernet',
  'evaluate',
  'predictors',
  'hardware',
]);
/** Largest share of src/ that src/common may be: it is for what every room needs, not for what has no other place. */
const MAX_COMMON_SHARE = 0.05;
/** The share means little before there is a code base to be a share of. */
const SHARE_FROM_LINES = 5000;

function lines({ text }: SourceFile): number {
  return text.trimEnd().split('\n').length;
}

function tooLong(files: readonly SourceFile[], max: number): string[] {
  return files.filter((file) => lines(file) > max).map((file) => `${file.path}: ${lines(file)} lines`);
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? 0;
}

/** The glossary's banned synonyms as whole identifiers: `[pattern, the word to use]`. */
const BANNED_WORDS: readonly (readonly [string, string])[] = [
  ['flops', 'macs'],
  ['image_size|imageSize', 'resolution'],
  ['net_config|netConfig|arch_dict|archDict', 'arch'],
  ['efficiency|efficiency_constraint', 'constraint or cost'],
  ['ks|ks_list', 'kernelSizes'],
  ['active_subnet|activeSubnet', 'subnet'],
];
/** The one file that reads the reference's spelling. */
const REFERENCE_SPELLING = /reference-spelling\.ts$/;
/** `maxFlops` is read at the edge, as a request's other spelling of MACs. */
const FLOPS_EDGE = /^src\/(api|cli)\//;

describe('packages with one owner', () => {
  it.each(Object.entries(rules.owned))('%s is imported by src/%s alone', (name, room) => {
    const importing = new RegExp(
      `(^(import|export|\\}) [^\\n]*from|import\\()\\s*'${name.replaceAll('/', '\\/')}(\\/[^']*)?'`,
      'm',
    );
    const elsewhere = src
      .filter(({ path, text }) => roomOf(path) !== room && importing.test(text))
      .map(({ path }) => path);
    expect(elsewhere).toEqual([]);
  });
});

describe('sizes', () => {
  it(`no source file is longer than ${MAX_LINES} lines: split it by what it does`, () => {
    expect(tooLong(src, MAX_LINES)).toEqual([]);
  });

  it(`no test file is longer than ${MAX_TEST_LINES} lines: split it by behavior`, () => {
    expect(tooLong(sourceFiles('test'), MAX_TEST_LINES)).toEqual([]);
  });

  it('half of the numeric files stay within 100 lines, nine tenths within 250', () => {
    const sizes = src.filter(({ path }) => NUMERIC.has(roomOf(path))).map(lines);
    expect(percentile(sizes, 0.5), 'median').toBeLessThanOrEqual(100);
    expect(percentile(sizes, 0.9), '90 %').toBeLessThanOrEqual(250);
  });

  it('src/common stays a small share of the whole', () => {
    const total = src.reduce((sum, file) => sum + lines(file), 0);
    const common = src.filter(({ path }) => roomOf(path) === 'common').reduce((sum, file) => sum + lines(file), 0);
    expect(common / Math.max(total, SHARE_FROM_LINES)).toBeLessThanOrEqual(MAX_COMMON_SHARE);
  });

  it('no file is named for having no place', () => {
    const names = /(^|[/-])(utils?|helpers?|misc|base|managers?)\.ts$/;
    expect(src.map(({ path }) => path).filter((path) => names.test(path))).toEqual([]);
  });
});

describe('pure rooms', () => {
  it.each([
    ['Math.random: take an Rng', /\bMath\.random\b/g],
    ['a clock: take `now`', /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b/g],
    ['the environment: take the value', /\bprocess\./g],
    ['logging: report through onProgress', /\bconsole\./g],
    ['timers: take what waits', /\bset(Timeout|Interval)\b/g],
    ['the network: take the bytes', /\bfetch\(/g],
  ])('do not reach %s', (_, pattern) => {
    expect(findings(pureFiles, pattern)).toEqual([]);
  });

  it('import no module of Node', () => {
    expect(pureFiles.filter(({ text }) => /from 'node:/.test(text)).map(({ path }) => path)).toEqual([]);
  });
});

describe('the environment', () => {
  it('is read by composition roots only', () => {
    const inner = src.filter(({ path }) => !['', 'cli'].includes(roomOf(path)));
    expect(findings(inner, /\bprocess\.env\b/g)).toEqual([]);
  });
});

describe('types and exports', () => {
  it.each([
    ['`any` in a type', /[:<,|&]\s*any\b(?!\s*\()/g],
    ['`as unknown as`', /\bas unknown as\b/g],
    ['a default export', /^export default\b/gm],
    ['`export *`', /^export \*/gm],
    ['an enum', /^\s*(export )?(const )?enum\b/gm],
    ['a decorator', /^\s*@\w+\(/gm],
  ])('src has no %s', (_, pattern) => {
    expect(findings(src, pattern)).toEqual([]);
  });

  it('src switches no compiler check off', () => {
    const off = /@ts-(ignore|expect-error|nocheck)/;
    expect(src.filter(({ text }) => off.test(text)).map(({ path }) => path)).toEqual([]);
  });
});

describe('vocabulary', () => {
  it.each(BANNED_WORDS)('%s is spelled %s', (banned, _word) => {
    const files = src.filter(
      ({ path }) => !REFERENCE_SPELLING.test(path) && !(banned === 'flops' && FLOPS_EDGE.test(path)),
    );
    expect(findings(files, new RegExp(`\\b(${banned})\\b`, 'gi'))).toEqual([]);
  });

  it('a folder of src is a room of the import table', () => {
    const folders = new Set(src.map(({ path }) => roomOf(path)).filter((room) => room !== '' && room !== 'cli'));
    expect([...folders].filter((room) => rules.rooms[room] === undefined)).toEqual([]);
  });
});

describe('the reader of these rules', () => {
  it('looks at code, not at comments and texts', () => {
    const text = "const a = 'Math.random'; // Math.random\n/* Date.now\n*/ Math.random();";
    expect(codeOnly(text).match(/Math\.random/g)).toHaveLength(1);
    expect(findings([{ path: 'x.ts', text }], /Math\.random/g)).toEqual(['x.ts:3: Math.random']);
  });
});
