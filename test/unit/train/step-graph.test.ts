import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Lowering } from '../../../src/autodiff/term.js';
import { makeRng } from '../../../src/common/rng.js';
import { decodeModel } from '../../../src/onnx/codec.js';
import { canonicalArch, maxArch, minArch } from '../../../src/space/arch.js';
import { lower } from '../../../src/space/lower.js';
import { parseSpace } from '../../../src/space/parse-space.js';
import type { MobileNetV3Space, SearchSpace } from '../../../src/space/types.js';
import { decodeSafetensors } from '../../../src/tensor/safetensors.js';
import { type FloatTensor, floats, sizeOf, type Tensor } from '../../../src/tensor/tensor.js';
import { buildStepGraph, type StepGraph } from '../../../src/train/step-graph.js';
import { LOWERINGS, nchwc, relativeError, runModel } from '../../gradcheck/harness.js';

const goldenFile = (name: string): URL => new URL(`../../golden/step-graph/${name}`, import.meta.url);
const parsed = parseSpace(JSON.parse(readFileSync(goldenFile('space.json'), 'utf8')), 'golden space');
if (parsed.family !== 'mobilenet-v3') throw new Error('the golden space is of another family');
const space = parsed;
const golden = decodeSafetensors(readFileSync(goldenFile('golden.safetensors')), 'golden').tensors;

const STANDARD: Lowering = { kind: 'standard' };
const BATCH = 4;
/** Float32 sums through a net of 13 layers against float64; relative to a tensor's largest entry. Observed: below 4e-6. */
const TOLERANCE = 3e-5;
/** Gradients that are zero but for rounding (a bias before a normalisation) are compared on this part of the largest of all gradients. */
const FLOOR = 1e-2;

function goldenTensor(name: string): Float32Array {
  const tensor = golden.get(name);
  if (tensor === undefined) throw new Error(`golden.safetensors has no "${name}"`);
  return tensor.data as Float32Array; // the file holds float32 only
}

/** The golden net: kernels 3, 5, 3 as make.py has them. */
function goldenLayers() {
  return lower(space, canonicalArch(space, { ...maxArch(space), kernelSizes: [3, 5, 3] }));
}

function goldenFeeds(graph: StepGraph): Record<string, FloatTensor> {
  const feeds: Record<string, FloatTensor> = {
    images: floats([BATCH, 1, 12, 12], goldenTensor('images')),
    targets: floats([BATCH, 10], goldenTensor('targets')),
  };
  for (const { name, dims } of graph.parameters) feeds[name] = floats(dims, goldenTensor(name));
  return feeds;
}

/** The gradient with the largest error, on the scale of its own largest entry or of {@link FLOOR} times the largest of all. */
function worstGradient(
  graph: StepGraph,
  expected: (name: string) => ArrayLike<number>,
  given: Readonly<Record<string, Tensor>>,
): { readonly name: string; readonly error: number } {
  const largest = (data: ArrayLike<number>): number =>
    Array.from(data).reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  const names = graph.parameters.map(({ name }) => `grad/${name}`);
  const floor = FLOOR * Math.max(...names.map((name) => largest(expected(name))));
  const errors = names.map((name) => {
    const data = given[name]?.data as Float32Array;
    return { name, error: relativeError(expected(name), data) * Math.min(1, largest(expected(name)) / floor) };
  });
  return errors.reduce((worst, one) => (one.error <= worst.error || Number.isNaN(worst.error) ? worst : one));
}

function randomFeeds(
  of: SearchSpace,
  graph: StepGraph,
  { batch, side, seed }: { readonly batch: number; readonly side: number; readonly seed: number },
): Record<string, FloatTensor> {
  const rng = makeRng(seed);
  const random = (dims: readonly number[], spread: number, mean = 0): FloatTensor =>
    floats(
      dims,
      Float32Array.from({ length: sizeOf(dims) }, () => mean + spread * rng.normal()),
    );
  const feeds: Record<string, FloatTensor> = {
    images: random([batch, of.inputChannels, side, side], 1),
    targets: floats([batch, of.classes], new Float32Array(batch * of.classes).fill(1 / of.classes)),
  };
  for (const { name, dims } of graph.parameters) {
    feeds[name] = random(
      dims,
      name.includes('.bn.') ? 0.1 : sizeOf(dims.slice(1)) ** -0.5,
      name.endsWith('bn.weight') ? 1 : 0,
    );
  }
  return feeds;
}

describe.each(LOWERINGS)('step graph, $name', ({ lowering, absent }) => {
  it.skipIf(absent)('gives the logits, loss and gradients of PyTorch in float64', async () => {
    const graph = buildStepGraph(space, goldenLayers(), { batch: BATCH, lowering, mode: 'train' });
    const outputs = await runModel(graph.model, goldenFeeds(graph));
    expect(relativeError(goldenTensor('logits'), outputs.logits?.data as Float32Array)).toBeLessThan(TOLERANCE);
    expect(relativeError(goldenTensor('loss'), outputs.loss?.data as Float32Array)).toBeLessThan(TOLERANCE);
    const worst = worstGradient(graph, goldenTensor, outputs);
    expect(worst.error, worst.name).toBeLessThan(TOLERANCE);
  });

  it.skipIf(absent)('gives the same logits in forward mode, which takes no targets', async () => {
    const graph = buildStepGraph(space, goldenLayers(), { batch: BATCH, lowering, mode: 'forward' });
    const { targets: _, ...feeds } = goldenFeeds(graph);
    const outputs = await runModel(graph.model, feeds);
    expect(Object.keys(outputs)).toEqual(['logits']);
    expect(relativeError(goldenTensor('logits'), outputs.logits?.data as Float32Array)).toBeLessThan(TOLERANCE);
  });

  it.skipIf(absent)('has a parameter for every tensor of the golden net, in the same dims', () => {
    const graph = buildStepGraph(space, goldenLayers(), { batch: BATCH, lowering, mode: 'train' });
    const names = [...golden.keys()].filter((name) => golden.has(`grad/${name}`));
    expect(graph.parameters.map(({ name }) => name).sort()).toEqual(names.sort());
    for (const { name, dims } of graph.parameters) expect(golden.get(name)?.dims, name).toEqual(dims);
  });
});

describe('step graph', () => {
  const large: SearchSpace = { ...space, kernelSizes: [3, 5, 7], expandRatios: [3, 6] };

  it.skipIf(nchwc.kind === 'standard').each([
    { net: 'the largest net', arch: maxArch(large), of: large },
    { net: 'the smallest net', arch: minArch(large), of: large },
    { net: 'centre crops', arch: minArch(large), of: { ...large, kernelTransform: false } },
    { net: 'relu6 and an odd side', arch: { ...maxArch(large), resolution: 13 }, of: withRelu6(large) },
    { net: 'channels that are no multiple of the block', arch: maxArch(large), of: withOddChannels(large) },
  ])('is the same function in both lowerings: $net', async ({ arch, of }) => {
    const layers = lower(of, arch);
    const standard = buildStepGraph(of, layers, { batch: 3, lowering: STANDARD, mode: 'train' });
    const blocked = buildStepGraph(of, layers, { batch: 3, lowering: nchwc, mode: 'train' });
    expect(blocked.parameters).toEqual(standard.parameters);
    const worst: { readonly name: string; readonly error: number }[] = [];
    for (const seed of [11, 12, 13]) {
      const feeds = randomFeeds(of, standard, { batch: 3, side: arch.resolution, seed });
      const expected = await runModel(standard.model, feeds);
      const given = await runModel(blocked.model, feeds);
      const data = (from: Readonly<Record<string, Tensor>>, name: string) => from[name]?.data as Float32Array;
      expect(relativeError(data(expected, 'logits'), data(given, 'logits'))).toBeLessThan(1e-4);
      worst.push(worstGradient(standard, (name) => data(expected, name), given));
    }
    // A pre-activation on a kink may fall on either side in the two float32 orders of summation: seen in 1 of 40 draws, where it moved
    // gradients by up to 9 %. The other draws agree within 1e-5, so that two of three must.
    const [, middle] = worst.sort((a, b) => a.error - b.error);
    expect(middle?.error, middle?.name).toBeLessThan(TOLERANCE);
  });

  it('takes the transform matrices that the active kernels need, and the stored kernel', () => {
    const parametersOf = (kernel: number): Map<string, readonly number[]> => {
      const arch = canonicalArch(large, { ...maxArch(large), kernelSizes: [kernel, kernel, kernel] });
      const graph = buildStepGraph(large, lower(large, arch), { batch: 2, lowering: STANDARD, mode: 'train' });
      return new Map(
        graph.parameters.map(({ name, dims }) => [name.replace('stages.0.blocks.0.depthwise.', ''), dims]),
      );
    };
    expect(parametersOf(7).has('transform7to5')).toBe(false);
    expect(parametersOf(5).get('transform7to5')).toEqual([25, 25]);
    expect(parametersOf(5).has('transform5to3')).toBe(false);
    expect(parametersOf(3).get('transform5to3')).toEqual([9, 9]);
    for (const kernel of [3, 5, 7]) expect(parametersOf(kernel).get('weight')).toEqual([48 * 2, 1, 7, 7]);
  });

  it('needs standard operators only, but for one contrib operator that CUDA has too, in the standard lowering', () => {
    const graph = buildStepGraph(large, lower(large, maxArch(large)), { batch: 2, lowering: STANDARD, mode: 'train' });
    const contrib = decodeModel(graph.model).graph.nodes.filter(({ domain }) => domain !== '');
    expect(new Set(contrib.map(({ domain, opType }) => `${domain}.${opType}`))).toEqual(
      new Set(['com.microsoft.FusedMatMul']),
    );
  });

  it('is the same bytes for the same layers', () => {
    const build = () => buildStepGraph(space, goldenLayers(), { batch: 2, lowering: STANDARD, mode: 'train' });
    expect(build()).toEqual(build());
  });

  it('counts the multiply-accumulates of its layers', () => {
    const layers = goldenLayers();
    const { macs } = buildStepGraph(space, layers, { batch: 2, lowering: STANDARD, mode: 'forward' });
    expect(macs).toBe(layers.reduce((sum, layer) => sum + layer.macs, 0));
  });

  it('refuses a layer that reads from one that is not there', () => {
    const layers = goldenLayers().map((layer) =>
      layer.name === 'classifier' ? { ...layer, input: 'nowhere' } : layer,
    );
    const build = () => buildStepGraph(space, layers, { batch: 2, lowering: STANDARD, mode: 'train' });
    expect(build).toThrow('layer "classifier" reads "nowhere"');
  });
});

function withRelu6(of: MobileNetV3Space): MobileNetV3Space {
  return { ...of, resolutions: [13], stages: of.stages.map((stage) => ({ ...stage, activation: 'relu6' as const })) };
}

/** 24 channels in one stage and a fixed first block: part of the net is blocked, part is not. */
function withOddChannels(of: MobileNetV3Space): MobileNetV3Space {
  return {
    ...of,
    firstBlock: { channels: 16, kernel: 3, stride: 1, activation: 'relu', squeezeExcite: false },
    stages: of.stages.map((stage, i) => (i === 0 ? { ...stage, channels: 24 } : stage)),
    finalExpand: { channels: 64, activation: 'hSwish' },
  };
}
