import { canonicalJson } from '../common/hash.js';
import { invariant } from '../common/invariant.js';
import { countModelParams } from '../onnx/check.js';
import { encodeModel } from '../onnx/codec.js';
import type { OnnxModel } from '../onnx/ir.js';
import { type ExportOptions, exportedInput, normalizationOf, PLAIN_EXPORT, unusualOptions } from './export-options.js';
import { inferenceModel } from './graph.js';
import type { BatchNormStatistics, Bundle, Subnet } from './types.js';

/** Rises whenever the same sub-network would be written as other bytes; part of what names an artifact. */
export const EXPORTER_REVISION = 1;

/** What extraction needs of a bundle. */
export type ExtractionSource = Pick<Bundle, 'supernet' | 'input' | 'classNames'>;

/** A delivered model: its bytes, the graph that they encode, and its size. */
export interface ExtractedModel {
  readonly model: Uint8Array;
  readonly onnx: OnnxModel;
  /** Elements of its initialisers. */
  readonly modelParams: number;
  /** Version of the operator set. */
  readonly opset: number;
}

/** What a delivered model tells about itself: no time, seed or version, so that the same network has the same bytes. */
function metadataOf(
  source: ExtractionSource,
  subnet: Subnet,
  options: ExportOptions,
): Readonly<Record<string, string>> {
  const { supernet, classNames } = source;
  const input = exportedInput(source.input, options.normalize);
  const unusual = unusualOptions(options);
  return {
    'bespoke.arch': canonicalJson(subnet.arch),
    'bespoke.classes': canonicalJson(classNames),
    ...(unusual === undefined ? {} : { 'bespoke.export': canonicalJson(unusual) }),
    'bespoke.exporter': String(EXPORTER_REVISION),
    'bespoke.input': canonicalJson({ ...input, resolution: subnet.arch.resolution }),
    'bespoke.space': subnet.space.id,
    'bespoke.supernet': supernet.sha256,
    // Without it the weights are the supernet's own, and can be compared with them.
    ...(subnet.ownWeights === undefined ? {} : { 'bespoke.weights': subnet.ownWeights }),
  };
}

/**
 * Builds the delivered ONNX model of a sub-network. Equal arguments give equal bytes.
 * @param statistics from BN calibration of this sub-network
 * @param options how it is written; the network is the same
 */
export function extractSubnet(
  source: ExtractionSource,
  subnet: Subnet,
  statistics: BatchNormStatistics,
  options: ExportOptions = PLAIN_EXPORT,
): ExtractedModel {
  const { space } = subnet;
  invariant(
    source.classNames.length === 0 || source.classNames.length === space.classes,
    () => `space "${space.id}" has ${space.classes} classes, the bundle names ${source.classNames.length}`,
  );
  const onnx = inferenceModel(subnet, statistics, {
    metadata: metadataOf(source, subnet, options),
    options,
    pixels: normalizationOf(source.input, options.normalize),
  });
  return { model: encodeModel(onnx), onnx, modelParams: countModelParams(onnx), opset: options.opset };
}
