import { BespokeError } from '../common/errors.js';
import type { CostTable } from '../space/cost-table.js';
import { lower } from '../space/lower.js';
import type { Arch, SearchSpace } from '../space/types.js';
import { type ExportOptions, fillExport, PLAIN_EXPORT } from '../supernet/export-options.js';
import type { SpecializationRequest } from './types.js';

/** Bytes of one float32. */
const FLOAT_BYTES = 4;

/**
 * What a file holds more than a plain one, bytes; upper bounds, taken from the exporter's files. A test compares with extracted models.
 * `normalize` is two nodes and two constants, without those constants' numbers; `metadata` is what says which options were chosen.
 */
const MORE_BYTES = { softmax: 100, normalize: 310, metadata: 95 } as const;

/**
 * The export options of a request with every default filled in.
 * @throws BespokeError `invalid-request` if a fixed batch is asked for together with a latency: latency models speak of one image per run
 */
export function requestedExport(
  given: Parameters<typeof fillExport>[0],
  { constraints, objective }: Pick<SpecializationRequest, 'constraints' | 'objective'>,
): ExportOptions {
  const options = fillExport(given);
  const { batch = 1 } = options;
  if (batch === 1 || (constraints.maxLatencyMs === undefined && objective !== 'latency')) return options;
  const detail = `must be 1 or absent where the latency is limited or minimized, as latencies are those of one image per run: got ${batch}`;
  throw new BespokeError('invalid-request', `body /export/batch ${detail}.`, {
    errors: [{ pointer: '/export/batch', detail }],
  });
}

/** What a model of these options is larger by than a plain one of the same architecture, bytes; an upper bound. */
function moreModelBytes({ softmax, normalize }: ExportOptions, channels: number): number {
  const constants = 2 * FLOAT_BYTES * channels;
  return (
    (softmax ? MORE_BYTES.softmax : 0) +
    (normalize === 'none' ? 0 : MORE_BYTES.normalize + constants) +
    MORE_BYTES.metadata
  );
}

/**
 * Peak activation memory of one run of a model of these options, bytes: of all images of a fixed batch, and with the normalized copy of the
 * input that the first layer reads.
 * @param plainPeak bytes of a plain export at batch 1
 */
export function exportedPeakBytes(
  plainPeak: number,
  { space, arch }: { readonly space: SearchSpace; readonly arch: Arch },
  options: ExportOptions = PLAIN_EXPORT,
): number {
  const { batch = 1, normalize } = options;
  if (normalize === 'none') return batch * plainPeak;
  const [first] = lower(space, arch);
  const atFirst =
    first === undefined ? 0 : first.inChannels * first.inSize ** 2 + first.outChannels * first.outSize ** 2;
  return batch * Math.max(plainPeak, FLOAT_BYTES * atFirst);
}

/** The costs of what is delivered with these options; undefined: plainly. */
export function exportedCosts(costs: CostTable, space: SearchSpace, options: ExportOptions | undefined): CostTable {
  if (options === undefined) return costs;
  const more = moreModelBytes(options, space.inputChannels);
  const peakOf = (plain: number, arch: Arch): number => exportedPeakBytes(plain, { space, arch }, options);
  return {
    ...costs,
    modelBytes: (archs) => costs.modelBytes(archs).map((bytes) => bytes + more),
    peakMemoryBytes: (archs) => costs.peakMemoryBytes(archs).map((plain, i) => peakOf(plain, archs[i] as Arch)), // one per arch
    all: (archs) =>
      costs.all(archs).map((row, i) => ({
        ...row,
        modelBytes: row.modelBytes + more,
        peakMemoryBytes: peakOf(row.peakMemoryBytes, archs[i] as Arch),
      })),
  };
}
