import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFront } from '../../../src/cli/front-file.js';
import { fittingTeachers, readTeachers } from '../../../src/cli/teachers.js';
import { decodeModel, encodeModel } from '../../../src/onnx/codec.js';
import { maxArch, minArch } from '../../../src/space/arch.js';
import { teacherModel } from '../train/teacher-model.js';
import { tinyRecipe, tinyRun, tinySpace } from '../train/tiny-run.js';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'bespoke-inputs-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function write(name: string, content: Uint8Array | string): string {
  const path = join(root, name);
  writeFileSync(path, content);
  return path;
}

const taught = tinyRecipe();
const untaught = { ...taught, phases: taught.phases.slice(0, 1) };
const teacher = teacherModel(minArch(tinySpace));

describe('readTeachers', () => {
  it('takes the resolution from the model', async () => {
    const path = write('teacher.onnx', teacher.model);
    const read = await readTeachers([path], tinySpace, taught);
    expect(read).toMatchObject([{ path, resolution: 8, input: undefined }]);
    expect(Buffer.from(teacher.model).equals(read![0]!.model)).toBe(true);
    expect(await readTeachers([], tinySpace, taught)).toBeUndefined();
  });

  const changed = (change: (model: ReturnType<typeof decodeModel>) => object): Uint8Array => {
    const model = decodeModel(teacher.model);
    return encodeModel({ ...model, ...change(model) });
  };
  const inputs = (dims: readonly (number | string)[]) =>
    changed(({ graph }) => ({ graph: { ...graph, inputs: graph.inputs.map((input) => ({ ...input, dims })) } }));

  it.each<[string, () => Uint8Array | string, RegExp]>([
    ['what is no model', () => 'no model', /--teacher \S+\.onnx: .*ONNX/],
    ['other channels', () => inputs(['N', 3, 8, 8]), /one input float32\[N, 1, R, R\].*"input" float32\[N, 3, 8, 8\]/],
    ['a side that is not fixed', () => inputs(['N', 1, 'H', 'W']), /float32\[N, 1, H, W\]/],
    [
      'logits of several places',
      () =>
        changed(({ graph }) => ({
          graph: { ...graph, outputs: graph.outputs.map((output) => ({ ...output, dims: ['N', 7, 3] })) },
        })),
      /one output of logits float32\[N, 3\].*\[N, 7, 3\]/,
    ],
    [
      'operators that do not run',
      () =>
        changed(({ graph }) => ({
          graph: {
            ...graph,
            nodes: graph.nodes.map((node) => (node.opType === 'Relu' ? { ...node, opType: 'Rely' } : node)),
          },
        })),
      /--teacher \S+run\.onnx: ONNX Runtime .* refuses/,
    ],
    ['a fixed batch', () => inputs([1, 1, 8, 8]), /of any batch is wanted/],
    [
      'pixels of its own kind',
      () => changed(() => ({ metadata: { 'bespoke.export': '{"normalize":"bytes"}' } })),
      /normalized images/,
    ],
    ['probabilities', () => changed(() => ({ metadata: { 'bespoke.export': '{"softmax":true}' } })), /and logits/],
  ])('refuses %s', async (name, content, message) => {
    const path = write(`${name.replaceAll(' ', '-')}.onnx`, content());
    await expect(readTeachers([path], tinySpace, taught)).rejects.toMatchObject({
      code: 'invalid-request',
      message: expect.stringMatching(message),
    });
  });

  it('refuses other classes, a missing file and a recipe that learns from none', async () => {
    const path = write('teacher.onnx', teacher.model);
    await expect(readTeachers([path], { ...tinySpace, classes: 4 }, taught)).rejects.toThrow(/logits float32\[N, 4\]/);
    await expect(readTeachers([join(root, 'none')], tinySpace, taught)).rejects.toThrow(/cannot be read \(ENOENT\)/);
    await expect(readTeachers([path], tinySpace, untaught)).rejects.toThrow(/a phase with teacher "frozen" does/);
  });
});

describe('fittingTeachers', () => {
  const { input } = tinyRun('unused').data;
  const named = { path: 'a.onnx', ...teacher, input: undefined };

  it('lets pass what takes its images as they are here, or does not say', () => {
    const same = { ...named, input: { ...input, resolution: 8 } };
    expect(fittingTeachers([named, same], input)).toEqual([teacher, teacher]);
    expect(fittingTeachers(undefined, input)).toBeUndefined();
  });

  it('refuses what wants them otherwise', () => {
    const other = { ...named, input: { ...input, mean: [0.5] } };
    expect(() => fittingTeachers([named, other], input)).toThrow(
      '--teacher a.onnx: it takes images of mean [0.5]; here they have [0.35]',
    );
  });
});

describe('readFront', () => {
  const [phase] = taught.phases;
  const recipe = { ...taught, phases: [{ ...phase!, frontShare: 0.5 }] };
  const small = minArch(tinySpace);
  const large = maxArch(tinySpace);

  it('reads lists, points and searches, all files together', async () => {
    const files = [
      write('list.json', JSON.stringify([large])),
      write('points.json', JSON.stringify([{ arch: small, macs: 1 }])),
      write('search.json', JSON.stringify({ best: {}, paretoFront: [{ arch: large }] })),
    ];
    const front = await readFront(files, tinySpace, recipe);
    expect(front?.map(({ arch }) => arch)).toEqual([small, large]);
    expect(await readFront([], tinySpace, taught)).toBeUndefined();
  });

  it('refuses what is no front, another space, and a recipe and a front without each other', async () => {
    const list = write('list.json', JSON.stringify([large]));
    const none = write('none.json', '{"best": {}}');
    const other = write('other.json', JSON.stringify([{ ...large, resolution: 99 }]));
    await expect(readFront([none], tinySpace, recipe)).rejects.toThrow(/a list of architectures, or what a search/);
    await expect(readFront([other], tinySpace, recipe)).rejects.toThrow(/other\.json\[0\].*99/);
    await expect(readFront([], tinySpace, recipe)).rejects.toThrow(/phases\[0\] has a frontShare.*--front/);
    await expect(readFront([list], tinySpace, taught)).rejects.toThrow(/no phase of recipe "tiny" has a frontShare/);
  });
});
