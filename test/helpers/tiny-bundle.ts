import { join } from 'node:path';
import { makeRng } from '../../src/common/rng.js';
import { distinctBlocks } from '../../src/hardware/blocks.js';
import { localCpu } from '../../src/hardware/local-cpu.js';
import { profileRevision, saveProfile } from '../../src/hardware/profile-file.js';
import type { LatencyProfile } from '../../src/hardware/types.js';
import { encodePredictor, PREDICTOR_FILES } from '../../src/predictors/file.js';
import { encodingLength } from '../../src/space/encoding.js';
import type { SearchSpace } from '../../src/space/types.js';
import type { BundleParts } from '../../src/supernet/bundle.js';
import { writeBundle } from '../../src/supernet/bundle.js';
import { optionalTensors } from '../../src/supernet/expected-tensors.js';
import { type FloatTensor, filled, floats } from '../../src/tensor/tensor.js';
import { randomSupernet } from './supernets.js';

/** What a request asks that has no limits and measures no latency, beside its supernet and hardware type. */
export const UNMEASURED = {
  constraints: {},
  objective: 'accuracy',
  seed: 1,
  search: { evaluations: 1000 },
  verify: { latency: 'skip' },
  labels: {},
} as const;

/** A tiny network with more than ten million sub-networks: a search over it can be as long as a test wants. */
export const TINY_SPACE: SearchSpace = {
  family: 'mobilenet-v3',
  id: 'tiny-space',
  inputChannels: 1,
  classes: 4,
  resolutions: [8, 12],
  kernelSizes: [3, 5, 7],
  expandRatios: [2, 3, 4],
  stem: { channels: 4, kernel: 3, stride: 1, activation: 'relu' },
  stages: [
    { channels: 4, stride: 2, activation: 'relu', squeezeExcite: false, depths: [1, 2, 3] },
    { channels: 8, stride: 2, activation: 'hSwish', squeezeExcite: true, depths: [1, 2, 3, 4] },
  ],
  featureMix: { channels: 16, activation: 'hSwish', bias: true },
  kernelTransform: true,
  bnEpsilon: 1e-5,
};

const CLASS_NAMES = ['circle', 'square', 'cross', 'star'];
const IMAGE_SIDE = 12;

export interface TinyBundleOptions {
  /** The bundle's id; `tiny` unless told. */
  readonly id?: string;
  readonly seed?: number;
  /** More images make calibration and verification longer. */
  readonly calibrationImages?: number;
  /** False: as an imported one, which has none. */
  readonly hasPredictor?: boolean;
  readonly verificationImages?: number;
}

/** Noise with labels: nothing can be learned from it, everything can be computed with it. */
function randomImages(count: number, seed: number) {
  const rng = makeRng(seed);
  const size = IMAGE_SIDE * IMAGE_SIDE;
  return {
    count,
    height: IMAGE_SIDE,
    width: IMAGE_SIDE,
    channels: 1,
    pixels: Uint8Array.from({ length: count * size }, () => rng.int(256)),
    labels: Uint8Array.from({ length: count }, () => rng.int(CLASS_NAMES.length)),
  };
}

/** Running statistics of mean 0 and variance 1, as a checkpoint that was never trained has them. */
function neutralStatistics(): Map<string, FloatTensor> {
  return new Map(
    [...optionalTensors(TINY_SPACE)].map(([name, dims]) => [name, filled(dims, name.endsWith('_var') ? 1 : 0)]),
  );
}

/** A linear predictor of made-up accuracies, 0.7 give or take a few points, bound to the weights. */
function predictorFiles(weightsSha256: string, seed: number): ReadonlyMap<string, Uint8Array> {
  const rng = makeRng(seed).fork('predictor');
  const features = encodingLength(TINY_SPACE);
  const weight = floats(
    [1, features],
    Float32Array.from({ length: features }, () => rng.next()),
  );
  const members = [{ layers: [{ weight, bias: floats([1], [-2]) }] }];
  const { card, tensors } = encodePredictor(
    { members, mean: 0.7, std: 0.02 },
    {
      spaceId: TINY_SPACE.id,
      weightsSha256,
      resolutions: TINY_SPACE.resolutions,
      trainedOn: 300,
      labelImages: 100,
      seed,
      quality: {
        heldOut: 300,
        rmsePoints: 1,
        kendallTau: 0.8,
        spearman: 0.9,
        splitHalfKendallTau: 0.8,
        labelReliability: 0.9,
      },
      absoluteResiduals: Array.from({ length: 300 }, (_, index) => index / 10_000),
    },
  );
  return new Map([
    [PREDICTOR_FILES.card, card],
    [PREDICTOR_FILES.tensors, tensors],
  ]);
}

/**
 * Writes a bundle of {@link TINY_SPACE} with random weights, as one that was trained and labelled would look.
 * Equal options give equal bytes.
 * @returns its folder, `<modelsDir>/<id>`
 */
export async function writeTinyBundle(modelsDir: string, options: TinyBundleOptions = {}): Promise<string> {
  const { id = 'tiny', seed = 1, calibrationImages = 64, verificationImages = 200, hasPredictor = true } = options;
  const dir = join(modelsDir, id);
  const { tensors } = randomSupernet(TINY_SPACE, seed);
  const { labels: _, ...calibration } = randomImages(calibrationImages, seed + 1);
  const parts: BundleParts = {
    id,
    title: 'A tiny supernet of random weights',
    space: TINY_SPACE,
    tensors: calibrationImages > 0 ? tensors : new Map([...tensors, ...neutralStatistics()]),
    input: {
      channels: 1,
      channelOrder: 'grey',
      range: [0, 1],
      mean: [0.5],
      std: [0.29],
      resize: 'bilinear',
      antialias: true,
      cropFraction: 1,
    },
    classNames: CLASS_NAMES,
    calibration,
    verification: randomImages(verificationImages, seed + 2),
  };
  // Written twice: the predictor is bound to the weights' sha256, which the first writing tells.
  const weightsSha256 = await writeBundle(dir, parts);
  if (hasPredictor) await writeBundle(dir, { ...parts, extraFiles: predictorFiles(weightsSha256, seed) });
  return dir;
}

/** Milliseconds that the made-up profile gives a block, and per element of its maps. */
const BLOCK_MS = 0.002;
const ELEMENT_MS = 1e-6;

/** A latency profile of this machine for a space, made up: no test waits for a measurement of the machine. */
function madeUpProfile(space: SearchSpace): LatencyProfile {
  const blocks = [...distinctBlocks(space, space.resolutions)];
  const table = blocks.map(([key, layers]): [string, number] => {
    const elements = layers.reduce((sum, { outChannels, outSize }) => sum + outChannels * outSize ** 2, 0);
    return [key, BLOCK_MS + ELEMENT_MS * elements];
  });
  const figures = {
    schema: 1,
    hardware: localCpu(),
    spaceId: space.id,
    statistic: 'p50',
    method: 'made up for tests',
    resolutions: [...space.resolutions],
    table: Object.fromEntries(table),
    scale: 1,
    offsetMs: 0.01,
    holdout: { nets: 30, mapePercent: 5, p90Percent: 10, maxPercent: 20, kendallTau: 0.9 },
  } as const;
  return { ...figures, revision: profileRevision(figures), measuredAt: '2026-01-01T00:00:00.000Z', seconds: 1 };
}

/** Puts a made-up profile where a server with this data folder looks for it. */
export async function saveTinyProfile(dataDir: string, space: SearchSpace = TINY_SPACE): Promise<void> {
  await saveProfile(join(dataDir, 'hardware'), madeUpProfile(space));
}
