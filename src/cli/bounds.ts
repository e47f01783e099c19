import { formatMs, formatPercent } from './format.js';

/** What a candidate tells of its figures at the confidence of a request. */
interface Bounded {
  readonly predictedLatencyUpperMs?: number | undefined;
  readonly predictedTop1Lower?: number | undefined;
}

/** What the limits were held against where a confidence was asked for; nothing without one. */
export function boundsLines(
  confidence: number | undefined,
  limits: { readonly maxLatencyMs?: number | undefined; readonly minTop1?: number | undefined },
  { predictedLatencyUpperMs: upper, predictedTop1Lower: lower }: Bounded,
): string[] {
  if (confidence === undefined) return [];
  const share = `${Number((100 * confidence).toFixed(4))} %`;
  const bounds = [
    ...(upper === undefined ? [] : [`latency at most ${formatMs(upper)}`]),
    ...(lower === undefined ? [] : [`top-1 at least ${formatPercent(lower)}`]),
  ];
  if (limits.maxLatencyMs === undefined && limits.minTop1 === undefined)
    return [`confidence ${share}: neither latency nor top-1 is limited, so it changes nothing`];
  return bounds.length === 0
    ? []
    : [`predicted with ${share} confidence, which is what the limits are held against: ${bounds.join(', ')}`];
}
