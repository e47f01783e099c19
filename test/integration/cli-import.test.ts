import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { sha256 } from '../../src/common/hash.js';
import { parseSpace } from '../../src/space/parse-space.js';
import { loadBundle } from '../../src/supernet/bundle.js';
import { publishedNames } from '../../src/supernet/checkpoint-names.js';
import { type CliOptions, type Ended, runCli } from '../helpers/server-process.js';

// Each command is a process; on a busy machine its start alone can take seconds.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });

const GOLDEN = 'test/golden/checkpoint';
const SPACE = `${GOLDEN}/space.json`;

let scratch: string;
let options: CliOptions;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-import-'));
  options = { dataDir: join(scratch, 'data'), models: join(scratch, 'models') };
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const importing = (file: string, out: string, space = SPACE): Promise<Ended> =>
  runCli(['--json', 'supernet', 'import', file, '--space', space, '--out', join(scratch, out)], options);

describe('bespoke supernet import', () => {
  it.each(['newer', 'older'])(
    'makes a bundle of a checkpoint in the %s form, tensor by tensor as PyTorch wrote it',
    async (form) => {
      const { code, stdout } = await importing(`${GOLDEN}/${form}.pth`, form);
      expect(code).toBe(0);
      const space = parseSpace(JSON.parse(await readFile(SPACE, 'utf8')), SPACE);
      const { supernet, calibration, input, classNames } = await loadBundle(join(scratch, form));
      expect(JSON.parse(stdout)).toMatchObject({
        spaceId: space.id,
        weightsSha256: supernet.sha256,
        tensors: supernet.tensors.size,
      });
      expect({ images: calibration.count, mean: input.mean, classes: classNames.length }).toEqual({
        images: 0,
        mean: [0.485, 0.456, 0.406],
        classes: 4,
      });
      const digests = JSON.parse(await readFile(`${GOLDEN}/digests.json`, 'utf8')) as Record<
        string,
        { readonly sha256: string }
      >; // as make.py writes it
      const wanted = Object.entries(digests).filter(([name]) => !name.endsWith('num_batches_tracked'));
      const found = [...publishedNames(space)].map(([key, name]): [string, string] => {
        const data = supernet.tensors.get(key)?.data ?? new Float32Array(0);
        return [name, sha256(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))];
      });
      expect(new Map(found)).toEqual(new Map(wanted.map(([name, digest]) => [name, digest.sha256])));
    },
  );

  it('refuses what is no checkpoint of the space in one sentence, and writes nothing', async () => {
    const page = join(scratch, 'page.pth');
    await writeFile(page, '<!DOCTYPE html><title>404</title>');
    const cut = join(scratch, 'cut.pth');
    await writeFile(cut, (await readFile(`${GOLDEN}/newer.pth`)).subarray(0, 20_000));
    for (const [file, space, sentence] of [
      [page, SPACE, /page.pth" cannot be read as a PyTorch file: it is a web page/],
      [cut, SPACE, /cut.pth" cannot be read as a PyTorch file: .* the download is incomplete or damaged/],
      [join(scratch, 'nowhere.pth'), SPACE, /nowhere.pth" cannot be read \(ENOENT\)/],
      [`${GOLDEN}/newer.pth`, 'ofa-mbv3-w1.0', /are not those of a supernet of the space "ofa-mbv3-w1.0": \d+ missing/],
    ] as const) {
      const { code, stdout, stderr } = await importing(file, 'refused', space);
      expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
      expect(stderr.trim()).toMatch(sentence);
      expect(stderr.trim().split('\n')).toHaveLength(1);
    }
    await expect(loadBundle(join(scratch, 'refused'))).rejects.toThrow(/bundle.json cannot be read/);
  });
});

describe('bespoke predictor import', () => {
  const predictor = 'test/golden/published-predictors/tutorial.pth';

  it('writes a predictor that a search takes, as it takes the file itself', async () => {
    const out = join(scratch, 'predictor');
    const imported = await runCli(
      ['--json', 'predictor', 'import', predictor, '--space', 'ofa-mbv3-w1.2', '--out', out],
      options,
    );
    expect(imported.code).toBe(0);
    expect(JSON.parse(imported.stdout)).toMatchObject({ form: 'tutorial', resolutions: [160, 176, 192, 208, 224] });
    const best = async (source: string): Promise<unknown> => {
      const search = ['--json', 'search', '--space', 'ofa-mbv3-w1.2', '--predictor', source];
      const { code, stdout } = await runCli([...search, '--max-macs', '300000000', '--evaluations', '200'], options);
      expect(code).toBe(0);
      return (JSON.parse(stdout) as { readonly best: unknown }).best;
    };
    expect(await best(out)).toEqual(await best(predictor));
  });

  it('refuses a predictor of another space with those that it fits', async () => {
    const { code, stderr } = await runCli(
      ['predictor', 'import', predictor, '--space', 'ofa-resnet50', '--out', join(scratch, 'other')],
      options,
    );
    expect(code).toBe(3);
    expect(stderr).toMatch(/takes 128 values; .* it fits "ofa-mbv3-w1.0", "ofa-mbv3-w1.2"/);
  });
});
