import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { loadPredictor } from '../../../src/predictors/predictor.js';
import { search } from '../../../src/search/search.js';
import { sampleArch } from '../../../src/space/sample.js';
import { loadBundle } from '../../../src/supernet/bundle.js';
import { describeWith, limitOn } from './toy-objective.js';

const DIR = 'models/fashion-mnist';

describe('search with the bundled predictor', () => {
  it('gives the same result whatever the threads of the predictor', async () => {
    const { supernet } = await loadBundle(DIR);
    const { space, sha256: weightsSha256 } = supernet;
    const results = [];
    for (const threads of [1, 2, 3]) {
      const predictor = await loadPredictor(DIR, { space, weightsSha256 }, { threads });
      try {
        const { best, paretoFront, evaluations } = await search({
          space,
          objective: predictor.asObjective(),
          constraints: [limitOn(space, 'macs', 6_000_000)],
          describe: describeWith(space),
          evaluations: 4_000,
          seed: 5,
          resolutions: predictor.resolutions,
          frontAxis: 'maxMacs',
        });
        results.push({ best, paretoFront, evaluations });
      } finally {
        await predictor.release();
      }
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it('gives the same result where the predictor computes on a thread of its own, and where two searches share it', async () => {
    const { supernet } = await loadBundle(DIR);
    const { space, sha256: weightsSha256 } = supernet;
    const results = [];
    for (const [threads, apart] of [
      [1, false],
      [1, true],
      [2, true],
    ] as const) {
      const predictor = await loadPredictor(DIR, { space, weightsSha256 }, { threads, apart });
      const searched = (seed: number) =>
        search({
          space,
          objective: predictor.asObjective(),
          constraints: [limitOn(space, 'macs', 6_000_000)],
          describe: describeWith(space),
          evaluations: 2_000,
          seed,
          resolutions: predictor.resolutions,
          frontAxis: 'maxMacs',
        });
      try {
        results.push(await Promise.all([searched(5), searched(6)]));
        if (threads === 1) results.push([await searched(5), await searched(6)]);
      } finally {
        await predictor.release();
      }
    }
    for (const result of results) expect(result).toEqual(results[0]);
    expect(results[0]![1]).not.toEqual(results[0]![0]);
    expect(results[0]![0]!.evaluations).toBe(2_000);
  });

  it('scores an architecture to the bit alike, whatever is scored with it and by how many threads', async () => {
    const { supernet } = await loadBundle(DIR);
    const { space, sha256: weightsSha256 } = supernet;
    const rng = makeRng(8);
    const archs = Array.from({ length: 301 }, () => sampleArch(space, rng));
    const columns: Float32Array[] = [];
    for (const threads of [1, 2, 3]) {
      const predictor = await loadPredictor(DIR, { space, weightsSha256 }, { threads });
      try {
        for (const size of [301, 100, 41, 7]) {
          const scores = new Float32Array(archs.length);
          for (let at = 0; at < archs.length; at += size) {
            scores.set(await predictor.score(archs.slice(at, at + size)), at);
          }
          columns.push(scores);
        }
      } finally {
        await predictor.release();
      }
    }
    for (const column of columns) expect(column).toEqual(columns[0]);
  });
});
