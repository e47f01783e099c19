import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { loadPredictor } from '../../../src/predictors/predictor.js';
import { encodeArchs } from '../../../src/space/encoding.js';
import { sampleArch } from '../../../src/space/sample.js';
import { loadBundle } from '../../../src/supernet/bundle.js';

const DIR = 'models/fashion-mnist';
const ROWS = 1_100; // more than a batch, whether of one thread (1,024) or of two (512)

const bitsOf = ({ buffer, byteOffset, length }: Float32Array): Int32Array => new Int32Array(buffer, byteOffset, length);

/** The bundled predictor, opened in this thread and apart, and rows of its encoding. */
async function both() {
  const { supernet } = await loadBundle(DIR);
  const { space, sha256: weightsSha256 } = supernet;
  const target = { space, weightsSha256 };
  const [here, apart] = [await loadPredictor(DIR, target), await loadPredictor(DIR, target, { apart: true })];
  const rng = makeRng(61);
  const archs = Array.from({ length: ROWS }, () => sampleArch(space, rng, { resolutions: here.resolutions }));
  const rows = encodeArchs(space, archs, undefined, here.resolutions);
  return {
    here,
    apart,
    archs,
    rows,
    encodedHere: here.asObjective().encoded!,
    encodedApart: apart.asObjective().encoded!,
  };
}

describe('a predictor on a thread of its own', () => {
  it('gives to the bit the scores and slopes of one in this thread, also of several questions at once', async () => {
    const { here, apart, archs, rows, encodedHere, encodedApart } = await both();
    const features = rows.length / ROWS;
    const [scores, slopes] = [await encodedHere.score(rows).take(), await encodedHere.slopes(rows).take()];
    const part = rows.subarray(700 * features, 900 * features);
    const found = await Promise.all([
      encodedApart.slopes(rows).take(),
      encodedApart.score(part).take(),
      apart.score(archs),
      encodedApart.slopes(part).take(),
      encodedApart.score(rows).take(),
    ]);
    // Longer ones than before, and shorter.
    for (const count of [3, ROWS, 150, 0]) {
      const again = await encodedApart.slopes(rows.subarray(0, count * features)).take();
      expect(bitsOf(again)).toEqual(bitsOf(slopes.subarray(0, count * features)));
    }
    const expected = [
      slopes,
      scores.subarray(700, 900),
      scores,
      slopes.subarray(700 * features, 900 * features),
      scores,
    ];
    expect(found.map(bitsOf)).toEqual(expected.map(bitsOf));
    await Promise.all([here.release(), apart.release()]);
  });

  it('answers what was asked before it is released, which may be twice, and nothing afterwards', async () => {
    const { here, apart, archs, rows, encodedHere, encodedApart } = await both();
    const few = archs.slice(0, 200); // enough to be shared between the threads
    const some = rows.subarray(0, (rows.length / ROWS) * 200);
    const asked = Promise.all([apart.score(few), encodedApart.slopes(some).take()]);
    const released = apart.release();
    const [scores, slopes] = await asked;
    await released;
    await apart.release();
    expect(bitsOf(scores)).toEqual(bitsOf(await here.score(few)));
    expect(bitsOf(slopes)).toEqual(bitsOf(await encodedHere.slopes(some).take()));
    await expect(apart.score(few)).rejects.toThrow('a released session was run');
    await here.release();
  });

  it('refuses what one in this thread refuses', async () => {
    const { here, apart, archs } = await both();
    const stranger = [{ ...archs[0]!, resolution: 999 }];
    const failures = await Promise.all(
      [here, apart].map((each) => each.score(stranger).then(undefined, (reason: unknown) => reason)),
    );
    expect(failures[0]).toMatchObject({ code: 'arch-out-of-space' });
    expect(failures[1]).toEqual(failures[0]);
    await Promise.all([here.release(), apart.release()]);
  });
});
