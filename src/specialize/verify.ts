import { BespokeError } from '../common/errors.js';
import { makeRng } from '../common/rng.js';
import { nextStep, type Steps } from '../common/work.js';
import { prepareImages } from '../data/prepare-images.js';
import { measureParity } from '../evaluate/parity.js';
import { measureTop1 } from '../evaluate/top1.js';
import type { MeasuredLatency } from '../evaluate/types.js';
import { assertStandardOperators, checkModel, countModelMacs } from '../onnx/check.js';
import type { OnnxModel } from '../onnx/ir.js';
import { type ExportOptions, exportedInput, PLAIN_EXPORT } from '../supernet/export-options.js';
import type { Bundle, ImageSet } from '../supernet/types.js';
import { checkAll, imageChecks } from './checks.js';
import type { Delivery } from './deliver.js';
import type { Check, MeasuredFigures, SpecializationRequest } from './types.js';

/** How latency is measured on this machine, if it is the hardware type asked for. */
export interface Measuring {
  /** Measures a model here, one measurement at a time per machine; absent: this machine is not that hardware. */
  readonly latency: ((model: Uint8Array, steps: Steps) => Promise<MeasuredLatency>) | undefined;
  /** How slow this machine is now against when its profile was measured; 1.1 = 10 % slower. */
  readonly drift: ((steps: Steps) => Promise<number>) | undefined;
}

/** Images for parity: enough that every class and kernel position occurs, few enough to cost some 10 ms. */
const PARITY_IMAGES = 16;
/** Pixels of all of them: large images have every kernel position many times, and the supernet's full width costs seconds on them. */
const PARITY_PIXELS = PARITY_IMAGES * 64 ** 2;
/** Two at least: what one image of a batch does to another would show. */
const LEAST_PARITY_IMAGES = 2;
/** One thread: the figure must not depend on how busy the other core is. */
const TOP1_THREADS = 1;

interface VerifyOptions {
  readonly request: SpecializationRequest;
  readonly delivery: Delivery;
  readonly steps: Steps;
}

/**
 * Measures a delivery and holds it against the request: structure, parity with the supernet, latency here, top-1 on the bundle's verification
 * images, and every count again from the ONNX itself.
 */
export async function verify(
  { bundle, measuring }: { readonly bundle: Bundle; readonly measuring: Measuring },
  { request, delivery, steps }: VerifyOptions,
): Promise<{ readonly measured: MeasuredFigures; readonly checks: readonly Check[] }> {
  const { extracted, costs } = delivery;
  const options = request.export ?? PLAIN_EXPORT;
  const { batch = 1 } = options;
  await nextStep(steps);
  const parityRelative = await parityOf(bundle, delivery, options, steps);
  const isLatencyAsked = request.verify.latency === 'measured';
  // Of one image: what a run of more takes is no figure of the hardware type.
  const measuredLatency =
    isLatencyAsked && batch === 1
      ? await latencyAgainst(request.constraints.maxLatencyMs, () => measuring.latency?.(extracted.model, steps))
      : undefined;
  const isLabeled = bundle.verification.labels !== undefined && bundle.verification.count > 0;
  const accuracy = isLabeled
    ? await measureTop1(extracted.model, bundle.verification, { threads: TOP1_THREADS, ...steps })
    : undefined;
  const measured: MeasuredFigures = {
    ...(accuracy === undefined ? {} : { measuredTop1: accuracy.top1, top1Images: accuracy.images }),
    ...(measuredLatency === undefined ? {} : { measuredLatency }),
    parityRelative,
    macs: countModelMacs(extracted.onnx) / batch,
    params: costs.params,
    modelParams: extracted.modelParams,
    modelBytes: extracted.model.byteLength,
    peakMemoryBytes: costs.peakMemoryBytes,
  };
  const whyNoLatency = isLatencyAsked
    ? `the latency is predicted, not measured: this machine is not "${request.hardwareId}", and there is no such device here`
    : 'not measured, as the request asked';
  const checks = [
    ...imageChecks({ calibrationImages: delivery.calibrationImages, isLabeled }),
    structureOf(extracted.onnx),
    ...checkAll(request.constraints, measured, whyNoLatency),
  ];
  return { measured, checks };
}

/** The graph is whole and uses standard operators alone. */
function structureOf(onnx: OnnxModel): Check {
  try {
    checkModel(onnx);
    assertStandardOperators(onnx);
    return { id: 'structure', outcome: 'passed', detail: `${onnx.graph.nodes.length} nodes, standard operators only` };
  } catch (error) {
    if (!(error instanceof BespokeError)) throw error;
    return { id: 'structure', outcome: 'failed', detail: error.message };
  }
}

/** A measurement; one that leaves open whether the budget is kept (its interval holds the budget) is made once more, and the second counts. */
async function latencyAgainst(
  budgetMs: number | undefined,
  measure: () => Promise<MeasuredLatency> | undefined,
): Promise<MeasuredLatency | undefined> {
  const first = await measure();
  const isOpen = first !== undefined && budgetMs !== undefined && first.lowMs <= budgetMs && first.highMs > budgetMs;
  return isOpen ? await measure() : first;
}

async function parityOf(bundle: Bundle, delivery: Delivery, options: ExportOptions, steps: Steps): Promise<number> {
  const { arch, layers, statistics, extracted } = delivery;
  const wanted = Math.floor(PARITY_PIXELS / arch.resolution ** 2);
  const most = Math.max(LEAST_PARITY_IMAGES, Math.min(PARITY_IMAGES, wanted));
  const sets = [bundle.verification, bundle.calibration];
  const source = sets.find(({ count }) => count > 0) ?? noise(bundle.input.channels, arch.resolution, most);
  const indices = Array.from({ length: Math.min(most, source.count) }, (_, index) => index);
  const images = prepareImages(source, indices, bundle.input, arch.resolution);
  const taken = prepareImages(source, indices, exportedInput(bundle.input, options.normalize), arch.resolution);
  const exported = { options, images: taken };
  const subject = { model: extracted.model, supernet: bundle.supernet, layers, statistics, exported };
  const { relative } = await measureParity(subject, images, { threads: 1, ...steps });
  return relative;
}

/** Images of noise: two ways to compute one network have to agree on any input. */
function noise(channels: number, side: number, count: number): ImageSet {
  const rng = makeRng(1);
  const pixels = Uint8Array.from({ length: count * side * side * channels }, () => rng.int(256));
  return { count, height: side, width: side, channels, pixels };
}
