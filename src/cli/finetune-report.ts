import { BespokeError } from '../common/errors.js';
import { sha256 } from '../common/hash.js';
import { prepareImages } from '../data/prepare-images.js';
import { type Gain, pairedGain } from '../evaluate/gain.js';
import { measureParity } from '../evaluate/parity.js';
import { correctGuesses } from '../evaluate/top1.js';
import { countModelMacs } from '../onnx/check.js';
import { OPSET_VERSION } from '../onnx/ir.js';
import { createSession, runtimeVersion } from '../runtime/session.js';
import { archId } from '../space/arch.js';
import type { Arch } from '../space/types.js';
import type { Delivery } from '../specialize/deliver.js';
import { EXPORTER_REVISION } from '../supernet/extract.js';
import type { Bundle, ImageSet } from '../supernet/types.js';
import type { Recipe } from '../train/recipe.js';
import { plainSpace } from '../train/single-net.js';
import { VERSION } from '../version.js';

/** One thread, as every measured top-1 of a delivered model. */
const THREADS = 1;

/** Per image of a set 1 if a delivery's first guess is right. */
async function guesses({ arch, extracted }: Delivery, bundle: Bundle, images: ImageSet): Promise<Uint8Array> {
  const { labels, count } = images;
  if (labels === undefined || count === 0) {
    throw new BespokeError('bundle-invalid', `the bundle in "${bundle.dir}" has no labeled verification images`);
  }
  const session = await createSession(extracted.model, { threads: THREADS, optimization: 'all' });
  try {
    const everyImage = Uint32Array.from({ length: count }, (_, index) => index);
    return await correctGuesses(session, prepareImages(images, everyImage, bundle.input, arch.resolution), labels);
  } finally {
    await session.release();
  }
}

const shareOf = (right: Uint8Array): number => right.reduce((sum, one) => sum + one, 0) / right.length;

/** Images for parity, as a specialization takes. */
const PARITY_IMAGES = 16;

/** How far the exported model is from a forward pass that is made another way; see `measureParity`. */
async function parityOf(bundle: Bundle, { arch, layers, statistics, extracted, subnet }: Delivery): Promise<number> {
  const { verification, input, supernet } = bundle;
  const indices = Array.from({ length: Math.min(PARITY_IMAGES, verification.count) }, (_, index) => index);
  const images = prepareImages(verification, indices, input, arch.resolution);
  const own = { ...supernet, space: plainSpace(supernet.space), tensors: subnet.tensors };
  const subject = { model: extracted.model, supernet: own, layers, statistics };
  return (await measureParity(subject, images, { threads: THREADS })).relative;
}

/** What fine-tuning did, on the bundle's verification images. */
export interface FinetuneGain {
  readonly measuredTop1Before: number;
  readonly measuredTop1: number;
  readonly top1Images: number;
  /** From before to now, on the same images. */
  readonly gain: Gain;
  /** Largest |difference of logits| / largest |logit| between the model and the trained weights in another form of graph. */
  readonly parityRelative: number;
}

/** Measures a network as the supernet gives it and as it is now, on the same images. */
export async function measureGain(bundle: Bundle, before: Delivery, after: Delivery): Promise<FinetuneGain> {
  const first = await guesses(before, bundle, bundle.verification);
  const second = await guesses(after, bundle, bundle.verification);
  return {
    measuredTop1Before: shareOf(first),
    measuredTop1: shareOf(second),
    top1Images: first.length,
    gain: pairedGain(first, second),
    parityRelative: await parityOf(bundle, after),
  };
}

/** How a network was trained. */
export interface FinetuneEffort {
  readonly recipe: Recipe;
  readonly images: number;
  readonly epochs: number;
  readonly seed: number;
  readonly workers: number;
  readonly steps: number;
  /** Processor time of training over all threads, s. */
  readonly cpuSeconds: number;
}

/** Everything about a fine-tuned network; what `--report` writes. */
export interface FinetuneReport extends FinetuneGain {
  readonly schema: 1;
  readonly arch: Arch;
  readonly archId: string;
  readonly supernet: { readonly id: string; readonly sha256: string; readonly spaceId: string };
  readonly macs: number;
  readonly params: number;
  readonly modelParams: number;
  readonly artifact: {
    readonly sha256: string;
    readonly bytes: number;
    readonly opset: number;
    readonly exporterRevision: number;
    readonly weightsSha256: string | undefined;
  };
  readonly training: FinetuneEffort;
  readonly versions: { readonly bespoke: string; readonly onnxruntime: string; readonly node: string };
}

/** Puts a report together from what was measured. */
export function finetuneReport(
  bundle: Bundle,
  delivery: Delivery,
  gain: FinetuneGain,
  training: FinetuneEffort,
): FinetuneReport {
  const { supernet } = bundle;
  const { arch, costs, extracted, subnet } = delivery;
  return {
    schema: 1,
    arch,
    archId: archId(supernet.space, arch),
    supernet: { id: bundle.id, sha256: supernet.sha256, spaceId: supernet.space.id },
    ...gain,
    macs: countModelMacs(extracted.onnx),
    params: costs.params,
    modelParams: extracted.modelParams,
    artifact: {
      sha256: sha256(extracted.model),
      bytes: extracted.model.byteLength,
      opset: OPSET_VERSION,
      exporterRevision: EXPORTER_REVISION,
      weightsSha256: subnet.ownWeights,
    },
    training,
    versions: { bespoke: VERSION, onnxruntime: runtimeVersion(), node: process.versions.node },
  };
}
