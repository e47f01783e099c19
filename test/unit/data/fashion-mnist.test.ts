import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/common/hash.js';
import {
  DEBIAN_FASHION_MNIST_DIR,
  downloadFashionMnist,
  FASHION_MNIST_FILES,
  FASHION_MNIST_INPUT,
  findFashionMnist,
  hasFashionMnist,
  loadFashionMnist,
} from '../../../src/data/fashion-mnist.js';

const installed = hasFashionMnist(DEBIAN_FASHION_MNIST_DIR);
const made: string[] = [];
afterEach(() => {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true });
});
function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'bespoke-data-'));
  made.push(dir);
  return dir;
}

/** Serves a folder's files on the loopback interface. */
async function serving<T>(dir: string, work: (url: string) => Promise<T>): Promise<T> {
  const server = createServer((request, response) => {
    try {
      response.end(readFileSync(join(dir, request.url ?? '')));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  try {
    return await work(`http://127.0.0.1:${address.port}`);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

describe.skipIf(!installed)('Fashion-MNIST as installed (dataset-fashion-mnist)', () => {
  it('has the counts, shapes and class balance that were published', () => {
    const { train, test } = loadFashionMnist(DEBIAN_FASHION_MNIST_DIR);
    expect(train).toMatchObject({ count: 60_000, height: 28, width: 28, channels: 1 });
    expect(test).toMatchObject({ count: 10_000, height: 28, width: 28, channels: 1 });
    const perClass = new Array<number>(10).fill(0);
    for (const label of train.labels ?? []) perClass[label] = perClass[label]! + 1;
    expect(perClass).toEqual(new Array(10).fill(6_000));
  });

  it('has the mean and standard deviation that the input spec states', () => {
    const { train } = loadFashionMnist(DEBIAN_FASHION_MNIST_DIR);
    let sum = 0;
    let squares = 0;
    for (const pixel of train.pixels) {
      sum += pixel;
      squares += pixel * pixel;
    }
    const mean = sum / train.pixels.length / 255;
    const std = Math.sqrt(squares / train.pixels.length / 255 ** 2 - mean ** 2);
    expect(mean).toBeCloseTo(FASHION_MNIST_INPUT.mean[0]!, 6);
    expect(std).toBeCloseTo(FASHION_MNIST_INPUT.std[0]!, 6);
  });

  it('consists of the files whose sha256 is written down', () => {
    for (const { name, gzipSha256 } of Object.values(FASHION_MNIST_FILES)) {
      expect(sha256(readFileSync(join(DEBIAN_FASHION_MNIST_DIR, `${name}.gz`)))).toBe(gzipSha256);
    }
  });

  it('can be downloaded, and is then found in its folder', async () => {
    const dir = temporary();
    await serving(DEBIAN_FASHION_MNIST_DIR, (url) => downloadFashionMnist(`${url}/`, dir));
    expect(readdirSync(dir)).toHaveLength(4);
    expect(findFashionMnist(['/nowhere', dir])).toBe(dir);
  });
});

describe('findFashionMnist', () => {
  it.skipIf(installed)('names every folder it tried and the ways to get the data', () => {
    expect(() => findFashionMnist(['/nowhere'])).toThrow(/\/nowhere.*dataset-fashion-mnist.*download/);
  });
});

describe('downloadFashionMnist', () => {
  it('tells the other two ways when the server cannot be reached', async () => {
    const nobody = 'http://127.0.0.1:9'; // the discard port: nothing listens there
    await expect(downloadFashionMnist(nobody, temporary())).rejects.toThrow(
      /could not be downloaded.*name a folder.*dataset-fashion-mnist/,
    );
  });

  it('refuses a file of another content and leaves nothing under its name', async () => {
    const source = temporary();
    const dir = temporary();
    const { name } = FASHION_MNIST_FILES.trainImages;
    writeFileSync(join(source, `${name}.gz`), 'not it');
    await expect(serving(source, (url) => downloadFashionMnist(url, dir))).rejects.toThrow(/has the sha256/);
    expect(readdirSync(dir)).toEqual([]);
  });
});
