import { existsSync, rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BespokeError } from '../../../../src/common/errors.js';
import { decodeStateDict } from '../../../../src/tensor/pytorch/state-dict.js';
import { handMadeFile, pickle, storedZip, tensorOps, textOp, torchGolden } from '../../../helpers/torch-files.js';

/** The sentence that a file is refused with. */
function refusal(bytes: Uint8Array): string {
  try {
    decodeStateDict(bytes, 'file.pth');
  } catch (error) {
    if (!(error instanceof BespokeError) || error.code !== 'invalid-request') throw error;
    expect(error.message).not.toMatch(/\n/);
    return error.message;
  }
  throw new Error('the file was read');
}

const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const zipOf = (data: Uint8Array): Uint8Array => storedZip(new Map([['archive/data.pkl', data]]));

describe('files that are something else', () => {
  it.each([
    ['a web page', text('<!DOCTYPE html>\n<html><body>404 Not Found</body></html>'), /it is a web page; the download/],
    ['a web page with a gap before it', text('\n\n  <html lang="en"><head>'), /it is a web page/],
    ['a Git LFS pointer', text('version https://git-lfs.github.com/spec/v1\noid sha256:0\n'), /Git LFS pointer/],
    ['an error in JSON', text('{"error": "quota exceeded"}'), /it is text; wanted/],
    ['nothing', new Uint8Array(0), /it is empty/],
    ['a gzip file', Uint8Array.of(0x1f, 0x8b, 8, 0, 0), /gzip/],
    ['other bytes', Uint8Array.of(1, 2, 3, 0xff), /neither of the two marks/],
    ['a pickle of something else', torchGolden('pickle.pth'), /it is a pickle, but not one that torch.save wrote/],
    [
      'a zip of something else',
      storedZip(new Map([['word/document.xml', text('<x/>')]])),
      /0 members data.pkl.*"word\/document.xml"/,
    ],
    [
      'a TorchScript program',
      storedZip(
        new Map([
          ['m/data.pkl', pickle('}')],
          ['m/constants.pkl', pickle(')')],
        ]),
      ),
      /TorchScript program/,
    ],
    ['a tar file', Buffer.concat([Buffer.alloc(257), text('ustar'), Buffer.alloc(300)]), /tar file/],
  ])('%s', (_, bytes, sentence) => {
    expect(refusal(bytes)).toMatch(sentence);
  });
});

describe('files that hold something else', () => {
  it.each([
    ['double-zip.pth', /tensor "weight" is float64; read are float32, float16, bfloat16, int64/],
    ['list-zip.pth', /it holds a list; wanted are named tensors, or those under state_dict or model/],
    ['mixed-zip.pth', /entry "epoch" is the number 3; wanted are named tensors/],
    ['module-zip.pth', /refers to "torch.nn.modules.linear.Linear".*torch\.save\(\{'state_dict'/],
  ])('%s', (name, sentence) => {
    expect(refusal(torchGolden(name))).toMatch(sentence);
  });

  it('an empty dict', () => {
    expect(refusal(zipOf(pickle('}')))).toMatch(/it holds no tensors/);
  });
});

describe('files that would run something', () => {
  it.each([
    ['evil-system-zip.pth', '"posix.system"'],
    ['evil-system-legacy.pth', '"posix.system"'],
    ['evil-eval-zip.pth', '"builtins.eval"'],
  ])('%s is refused by the name of what it calls, and nothing ran', (name, called) => {
    const canary = '/tmp/bespoke-evil-canary';
    rmSync(canary, { force: true });
    expect(refusal(torchGolden(name))).toContain(`refers to ${called}`);
    expect(existsSync(canary)).toBe(false);
  });

  it('names beside the allow-list, however they are spelled', () => {
    for (const name of [
      'torch.load',
      'collections.OrderedDict.fromkeys',
      'constructor.constructor',
      '__proto__.call',
    ]) {
      const at = name.lastIndexOf('.');
      const named = `c${name.slice(0, at)}\n${name.slice(at + 1)}\n`;
      expect(refusal(zipOf(pickle(named, ')R')))).toContain(`refers to "${name}"`);
      const stacked = [textOp(name.slice(0, at)), textOp(name.slice(at + 1)), 0x93, ')R'];
      expect(refusal(zipOf(pickle(...stacked)))).toContain(`refers to "${name}"`);
    }
  });

  it('calls of what is only data', () => {
    expect(refusal(zipOf(pickle('ctorch\nFloatStorage\n)R')))).toMatch(/calls the name torch.FloatStorage/);
    expect(refusal(zipOf(pickle(textOp('eval'), ')R')))).toMatch(/calls "eval", which cannot be called/);
  });

  it('opcodes that make instances', () => {
    for (const [op, code] of [
      ['i', '69'],
      ['o', '6f'],
      [0x81, '81'],
      [0x92, '92'],
      ['P', '50'],
      [0x82, '82'],
    ] as const) {
      expect(refusal(zipOf(pickle('}', op)))).toContain(`uses opcode 0x${code}`);
    }
  });

  it('names are printed with control characters escaped, and cut', () => {
    const sentence = refusal(zipOf(pickle(`c\u001b[31mred${'x'.repeat(150)}\nname\n`)));
    expect(sentence).toContain('\\u001b[31m');
    expect(sentence).not.toContain('\u001b');
    expect(sentence.length).toBeLessThan(500);
  });
});

describe('damage', () => {
  const whole = torchGolden('plain-zip-2.pth');
  const legacy = torchGolden('plain-legacy-2.pth');

  it('every truncation of a zip is refused as incomplete', () => {
    for (let length = 2; length < whole.length; length += 7) {
      expect(refusal(whole.subarray(0, length))).toMatch(/table of contents, which stands at the end, is missing/);
    }
  });

  it('every truncation of the older stream is refused, with the place', () => {
    for (let length = 1; length < legacy.length; length += 5) {
      expect(refusal(legacy.subarray(0, length))).toMatch(/it ends at byte \d+, before|has no end/);
    }
  });

  it('a flipped bit of a zip is noticed wherever tensors lie', () => {
    const damaged = new Uint8Array(whole);
    const start = Buffer.from(whole).indexOf('archive/data/0');
    const at = (start < 0 ? Buffer.from(whole).indexOf('data/0') : start) + 64;
    damaged[at] = damaged[at]! ^ 0x10;
    expect(refusal(damaged)).toMatch(/member ".*data\/0" does not match its checksum/);
  });

  it('members that are missing, compressed, double or of another length', () => {
    const data = pickle('}', textOp('weight'), tensorOps({ dims: [4], strides: [1] }), 's');
    const members = new Map([['a/data.pkl', data]]);
    expect(refusal(storedZip(members))).toMatch(/no member for storage "0"/);
    expect(refusal(storedZip(new Map([...members, ['a/data/0', new Uint8Array(12)]])))).toMatch(
      /has 12 bytes; 4 x float32 need 16/,
    );
    expect(refusal(storedZip(members, { method: 8 }))).toMatch(/"a\/data.pkl" is compressed/);
    expect(refusal(storedZip(new Map([...members, ['b/data.pkl', data]])))).toMatch(/2 members data.pkl/);
    const bigEndian = new Map([...members, ['a/byteorder', text('big')]]);
    expect(refusal(storedZip(bigEndian))).toMatch(/big-endian/);
  });
});

describe('tensors beyond their storage', () => {
  it.each([
    ['too long', { dims: [5], strides: [1] }, /reaches element 4 of a storage of 4/],
    ['too far off', { dims: [2], strides: [1], offset: 3 }, /offset 3 reaches element 4/],
    ['a stride too wide', { dims: [2, 2], strides: [3, 1] }, /stride \[3, 1\].*reaches element 4/],
    ['a huge stride', { dims: [2], strides: [2 ** 52] }, /reaches element 4503599627370496/],
    ['a size beyond memory', { dims: [2 ** 40], strides: [0] }, /more elements than a file of this length can have/],
    ['sizes whose product overflows', { dims: [2 ** 31, 2 ** 31, 2 ** 31], strides: [0, 0, 0] }, /more elements than/],
    ['a negative size', { dims: [-1], strides: [1] }, /entry the number -1/],
    ['a negative stride', { dims: [2], strides: [-1], offset: 3 }, /entry the number -1/],
    ['a negative offset', { dims: [2], strides: [1], offset: -1 }, /offset is the number -1/],
    ['sizes without strides', { dims: [2, 2], strides: [2] }, /2 sizes and 1 strides/],
    ['a rank beyond any', { dims: new Array(9).fill(1), strides: new Array(9).fill(1) }, /9 entries, more than 8/],
    ['a storage that is longer than its bytes', { dims: [4], strides: [1], count: 2 ** 45 }, /has 16 bytes/],
    ['a storage class that is none', { dims: [4], strides: [1], storageClass: 'Size' }, /where a storage is due/],
  ])('%s', (_, tensor, sentence) => {
    expect(refusal(handMadeFile(tensor))).toMatch(sentence);
  });

  it('reads the same made by hand where it is right', () => {
    const { tensors } = decodeStateDict(handMadeFile({ dims: [2, 2], strides: [1, 2] }), 'file.pth');
    expect([...(tensors.get('weight')?.data ?? [])]).toEqual([1, 3, 2, 4]);
  });
});

describe('pickles that are bombs', () => {
  it('many tensors that repeat one storage', () => {
    const many = Array.from({ length: 40 }, (_, i) => [
      textOp(`t${i}`),
      tensorOps({ dims: [1000, 100], strides: [0, 0] }),
      's',
    ]).flat();
    const members = new Map([
      ['a/data.pkl', pickle('}', ...many)],
      ['a/data/0', new Uint8Array(16)],
    ]);
    expect(refusal(storedZip(members))).toMatch(/"t10" has the size \[1000, 100\], more elements/);
  });

  it('more operations than any file needs', () => {
    expect(refusal(zipOf(pickle('}', '}0'.repeat(300_000))))).toMatch(/more than 400000 operations/);
  });

  it('lists that hold themselves, nested as deep as the file is long', () => {
    expect(refusal(zipOf(pickle(']q\0h\0a')))).toMatch(/it holds a list/);
    expect(refusal(zipOf(pickle(']'.repeat(50_000), 'a'.repeat(49_999))))).toMatch(/it holds a list/);
    const nest = pickle('}q\0', textOp('state_dict'), 'h\0s'); // a dict that is its own state_dict
    expect(refusal(zipOf(nest))).toMatch(/state_dict.state_dict/);
  });

  it.each([
    ['a text without an end', pickle('X', Uint8Array.of(0xff, 0xff, 0xff, 0x7f)), /more than 65536/],
    ['an integer without an end', pickle(0x8b, Uint8Array.of(0xff, 0xff, 0xff, 0x7f)), /more than 16/],
    ['values that are not there', pickle('}0', '0'), /takes a value that is not there/],
    ['marks that are not there', pickle('t'), /mark that is not there/],
    ['values below a mark', pickle('}(0'), /takes a value that is not there/],
    ['a memory that is empty', pickle('h\x07'), /recalls value 7/],
    ['items of what is no dict', pickle(']', 'N', 'N', 's'), /sets a member of a list/],
    ['keys that are objects', pickle('}', ']', 'N', 's'), /dict key that is a list/],
  ])('%s', (_, data, sentence) => {
    expect(refusal(zipOf(data))).toMatch(sentence);
  });
});
