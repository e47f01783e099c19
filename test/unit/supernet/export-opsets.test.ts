import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as web from 'onnxruntime-web';
import { describe, expect, it } from 'vitest';
import { encodeModel } from '../../../src/onnx/codec.js';
import { createSession } from '../../../src/runtime/session.js';
import { maxArch } from '../../../src/space/arch.js';
import { lower } from '../../../src/space/lower.js';
import type { SearchSpace } from '../../../src/space/types.js';
import { fillExport } from '../../../src/supernet/export-options.js';
import { inferenceModel } from '../../../src/supernet/graph.js';
import { sliceSubnet } from '../../../src/supernet/slice.js';
import { relativeError } from '../../helpers/reference.js';
import { randomImages, randomStatistics, randomSupernet, tinySpace } from '../../helpers/supernets.js';
import { tinyResNet } from '../space/tiny-space.js';

const OPSETS = [13, 14, 15, 16, 17, 18, 19, 20, 21];
/** The same operators in another version, in the same order. */
const TOLERANCE = 1e-6;

/** The largest network of a space at a side where its average pools reach over the edge. */
function modelOf(space: SearchSpace, resolution: number, opset: number): Uint8Array {
  const arch = { ...maxArch(space), resolution };
  const subnet = sliceSubnet(randomSupernet(space, 5), arch, lower(space, arch));
  return encodeModel(inferenceModel(subnet, randomStatistics(subnet, 3), { options: fillExport({ opset }) }));
}

/** A Python that has the onnx package, whose checker is not of our making: BESPOKE_ONNX_PYTHON, or python3. */
const python = process.env.BESPOKE_ONNX_PYTHON ?? 'python3';
const hasChecker = spawnSync(python, ['-c', 'import onnx'], { stdio: 'ignore' }).status === 0;

describe.each([
  ['MobileNetV3-like', tinySpace(), 15],
  ['ResNet-D-like', tinyResNet(), 17],
] as const)('a %s network in every operator set', (_, space, resolution) => {
  const images = randomImages(2, 3, resolution, 8);

  it.each(OPSETS)('%i has the same logits, natively and in WebAssembly', async (opset) => {
    const plain = await createSession(modelOf(space, resolution, 17), { threads: 1, optimization: 'disabled' });
    const { logits } = await plain.run({ input: images });
    await plain.release();
    const expected = logits!.data as Float32Array;
    const model = modelOf(space, resolution, opset);
    const session = await createSession(model, { threads: 1, optimization: 'disabled' });
    const native = (await session.run({ input: images })).logits!.data as Float32Array;
    await session.release();
    expect(relativeError(native, expected)).toBeLessThan(TOLERANCE);
    web.env.wasm.numThreads = 1;
    const webSession = await web.InferenceSession.create(model, { executionProviders: ['wasm'] });
    const other = await webSession.run({ input: new web.Tensor('float32', images.data, images.dims) });
    await webSession.release();
    expect(relativeError(other.logits!.data as Float32Array, expected)).toBeLessThan(10 * TOLERANCE); // optimized
  });

  it.skipIf(!hasChecker)("passes the checker of ONNX's own Python package, shapes and all", () => {
    const dir = mkdtempSync(join(tmpdir(), 'bespoke-opsets-'));
    try {
      const files = OPSETS.map((opset) => {
        const file = join(dir, `${opset}.onnx`);
        writeFileSync(file, modelOf(space, resolution, opset));
        return file;
      });
      const script = 'import onnx, sys\nfor f in sys.argv[1:]: onnx.checker.check_model(onnx.load(f), full_check=True)';
      execFileSync(python, ['-c', script, ...files], { stdio: 'pipe' });
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
