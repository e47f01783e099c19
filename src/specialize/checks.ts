import type { Check, Constraints, MeasuredFigures } from './types.js';

/**
 * Parity: the delivered network and the supernet's own masked forward differ by at most this share of the largest logit;
 * float32 sums in another order differ by about 1e-6, so 1e-4 leaves room and still catches any wrong weight.
 */
const PARITY_LIMIT = 1e-4;

/** What a report says first of all where the bundle's images did not allow it. */
const NOT_CALIBRATED =
  "batch-normalization statistics were not calibrated: the bundle has no calibration images, and the supernet's own stay, with which a sub-network is usually inaccurate";
const NO_ACCURACY = 'no accuracy was measured: the bundle has no labeled verification images; top-1 is predicted';

/**
 * What the bundle's images could not be used for, as checks that were not measured; none where it has both kinds.
 * @param images those that statistics were calibrated on, and whether there are labeled ones to verify with
 */
export function imageChecks(images: {
  readonly calibrationImages: number;
  readonly isLabeled: boolean;
}): readonly Check[] {
  return [
    ...(images.calibrationImages > 0
      ? []
      : [{ id: 'calibration', outcome: 'notMeasured', detail: NOT_CALIBRATED } as const]),
    ...(images.isLabeled ? [] : [{ id: 'top1', outcome: 'notMeasured', detail: NO_ACCURACY } as const]),
  ];
}

/** The sentences that a report begins with: what nobody must overlook. */
export function noticesOf(checks: readonly Check[]): readonly string[] {
  return checks
    .filter(({ id }) => id === 'calibration' || id === 'top1')
    .map(({ detail }) => `${detail.charAt(0).toUpperCase()}${detail.slice(1)}.`);
}

interface Rule {
  readonly id: Check['id'];
  readonly limit: number | undefined;
  readonly value: number | undefined;
  readonly holds: (value: number, limit: number) => boolean;
  readonly say: (value: number, limit: number) => string;
  readonly why?: string;
}

const atMost = (value: number, limit: number): boolean => value <= limit;
const atLeast = (value: number, limit: number): boolean => value >= limit;

function apply({ id, limit, value, holds, say, why }: Rule): Check | undefined {
  if (limit === undefined) return undefined;
  if (value === undefined) return { id, outcome: 'notMeasured', limit, detail: why ?? 'not measured' };
  return { id, outcome: holds(value, limit) ? 'passed' : 'failed', limit, value, detail: say(value, limit) };
}

/**
 * Every limit of the request against what was measured and counted of the delivered model. The latency passes only if the upper end of the
 * 99 % interval keeps the budget.
 */
export function checkAll(constraints: Constraints, measured: MeasuredFigures, whyNoLatency: string): readonly Check[] {
  const counted = (id: Check['id'], limit: number | undefined, value: number, from = 'the model'): Rule => ({
    id,
    limit,
    value,
    holds: atMost,
    say: (v, l) => `${v} counted from ${from}, ${l} allowed`,
  });
  const latency = measured.measuredLatency;
  const rules: readonly Rule[] = [
    {
      id: 'parity',
      limit: PARITY_LIMIT,
      value: measured.parityRelative,
      holds: atMost,
      say: (v, l) => `outputs differ from the supernet's by ${v.toExponential(1)} of the largest, ${l} allowed`,
    },
    {
      id: 'maxLatencyMs',
      limit: constraints.maxLatencyMs,
      value: latency?.highMs,
      holds: atMost,
      say: (v, l) =>
        `${latency?.statistic} ${latency?.valueMs.toFixed(4)} ms, 99 % upper bound ${v.toFixed(4)} ms of ${latency?.samples} runs, ${l} ms allowed`,
      why: whyNoLatency,
    },
    counted('maxMacs', constraints.maxMacs, measured.macs),
    // Folding leaves no learnable parameters to count in the model, and a model does not state its buffers.
    counted('maxParams', constraints.maxParams, measured.params, 'the architecture'),
    counted('maxModelBytes', constraints.maxModelBytes, measured.modelBytes),
    counted('maxPeakMemoryBytes', constraints.maxPeakMemoryBytes, measured.peakMemoryBytes, 'the architecture'),
    {
      id: 'minTop1',
      limit: constraints.minTop1,
      value: measured.measuredTop1,
      holds: atLeast,
      say: (v, l) => `${v} on ${measured.top1Images} verification images, at least ${l} asked`,
      why: 'the bundle has no labeled verification images',
    },
  ];
  return rules.map(apply).filter((check) => check !== undefined);
}
