import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../../src/common/hash.js';
import { decodeStateDict } from '../../../../src/tensor/pytorch/state-dict.js';
import { torchGolden } from '../../../helpers/torch-files.js';

interface ExpectedTensor {
  readonly dims: readonly number[];
  readonly type: string;
  readonly base64: string;
}

const EXPECTED = JSON.parse(
  readFileSync(new URL('../../../golden/pytorch/expected.json', import.meta.url), 'utf8'),
) as Record<string, Record<string, ExpectedTensor>>; // as make.py writes it

/** Equal bit for bit, but that every NaN is as good as another. */
function expectTensors(bytes: Uint8Array, set: string): void {
  const { tensors } = decodeStateDict(bytes, 'file.pth');
  const wanted = EXPECTED[set] ?? {};
  expect([...tensors.keys()]).toEqual(Object.keys(wanted));
  for (const [name, { dims, type, base64 }] of Object.entries(wanted)) {
    const tensor = tensors.get(name);
    const raw = new Uint8Array(Buffer.from(base64, 'base64')).buffer;
    const data = type === 'int64' ? new BigInt64Array(raw) : new Float32Array(raw);
    expect(tensor, name).toEqual({ type, dims, data });
  }
}

/** The same bytes where they lie on no boundary. */
function unaligned(bytes: Uint8Array): Uint8Array {
  const held = new Uint8Array(bytes.length + 1);
  held.set(bytes, 1);
  return held.subarray(1);
}

describe('state dicts, against what PyTorch sees in the same files', () => {
  it.each([2, 3, 4, 5])('a zip with pickle protocol %i', (protocol) => {
    expectTensors(torchGolden(`plain-zip-${protocol}.pth`), 'plain');
  });

  it.each([2, 4])('the stream before PyTorch 1.6 with pickle protocol %i', (protocol) => {
    expectTensors(torchGolden(`plain-legacy-${protocol}.pth`), 'plain');
  });

  it.each(['zip', 'legacy'])(
    'views that are transposed, strided, expanded, shared, scalar or empty (%s)',
    (container) => {
      expectTensors(torchGolden(`views-${container}.pth`), 'views');
      expectTensors(unaligned(torchGolden(`views-${container}.pth`)), 'views');
    },
  );

  it.each(['zip', 'legacy'])('float16, bfloat16 and int64 with their extremes (%s)', (container) => {
    expectTensors(torchGolden(`kinds-${container}.pth`), 'kinds');
    expectTensors(unaligned(torchGolden(`kinds-${container}.pth`)), 'kinds');
  });

  it('tensors that training programs wrapped, and says how', () => {
    for (const container of ['zip', 'legacy'] as const) {
      const bytes = torchGolden(`training-${container}.pth`);
      expectTensors(bytes, 'plain');
      expect(decodeStateDict(bytes, 'file.pth')).toMatchObject({ path: 'state_dict', format: container });
    }
    expectTensors(torchGolden('model-zip.pth'), 'plain');
    expect(decodeStateDict(torchGolden('model-zip.pth'), 'file.pth').path).toBe('model.state_dict');
    expect(decodeStateDict(torchGolden('plain-zip-2.pth'), 'file.pth').path).toBe('');
  });

  it('float32 tensors in place where they lie on a boundary: no second copy of the file', () => {
    const bytes = torchGolden('plain-zip-2.pth');
    const { tensors } = decodeStateDict(bytes, 'file.pth');
    for (const { type, data } of tensors.values()) if (type === 'float32') expect(data.buffer).toBe(bytes.buffer);
  });
});

const REFERENCE = process.env.BESPOKE_REFERENCE ?? '../shared/reference';

describe.skipIf(!existsSync(REFERENCE))('state dicts of the reference data', () => {
  it.each(['mbv3_w1.0', 'proxyless_w1.3', 'resnet50_small'])('%s: every tensor has the published sha256', (folder) => {
    const { tensors } = decodeStateDict(readFileSync(`${REFERENCE}/${folder}/supernet.pth`), folder);
    const digest = JSON.parse(readFileSync(`${REFERENCE}/${folder}/supernet_digest.json`, 'utf8')) as Record<
      string,
      { readonly shape: readonly number[]; readonly sha256: string }
    >; // told in the data's README
    expect([...tensors.keys()].sort()).toEqual(Object.keys(digest).sort());
    const found = Object.fromEntries(
      [...tensors].map(([name, { dims, data }]) => [
        name,
        { shape: dims, sha256: sha256(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) },
      ]),
    );
    for (const [name, { shape, sha256: sha }] of Object.entries(digest)) {
      expect(found[name], name).toEqual({ shape, sha256: sha });
    }
  });
});
