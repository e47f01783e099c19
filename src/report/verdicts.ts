import { formatBytes, formatCount, formatFraction, formatMs } from './format.js';
import type { CandidateView, CheckView, IntervalView, MeasuredView, ReportView } from './model.js';

/** One row of the table constraint / predicted / measured / verdict; texts are ready to show, `''` is nothing to show. */
export interface VerdictRow {
  readonly figure: string;
  readonly limit: string;
  readonly predicted: string;
  readonly measured: string;
  /** `notLimited`: the request did not bound this figure. */
  readonly verdict: CheckView['outcome'] | 'notLimited';
}

type LimitName = 'minTop1' | 'maxLatencyMs' | 'maxMacs' | 'maxParams' | 'maxModelBytes' | 'maxPeakMemoryBytes';
type CountName = 'macs' | 'params' | 'modelBytes' | 'peakMemoryBytes';

const COUNTS: readonly (readonly [CountName, LimitName, string, (value: number) => string])[] = [
  ['macs', 'maxMacs', 'MACs', formatCount],
  ['params', 'maxParams', 'Parameters', formatCount],
  ['modelBytes', 'maxModelBytes', 'Model size', formatBytes],
  ['peakMemoryBytes', 'maxPeakMemoryBytes', 'Peak activation memory', formatBytes],
];

/** Every figure of the delivered model with its limit, prediction, measurement and verdict: top-1, latency, then the counted ones. */
export function verdictRows(
  view: Pick<ReportView, 'request' | 'delivered' | 'measured' | 'checks' | 'hardware'>,
): VerdictRow[] {
  const { delivered, measured, hardware } = view;
  const { constraints, search } = view.request;
  const sure = (word: string, bound: number | undefined, show: (value: number) => string): string =>
    bound === undefined || search.confidence === undefined
      ? ''
      : `; ${word} ${show(bound)} with ${Number((100 * search.confidence).toFixed(4))} % confidence`;
  const row = (name: LimitName, figure: string, bound: string, show: (value: number) => string): VerdictRow => {
    const limit = constraints[name];
    const check = view.checks.find(({ id }) => id === name);
    return {
      figure,
      limit: limit === undefined ? '' : `${bound} ${show(limit)}`,
      predicted: '',
      measured: '',
      verdict: check?.outcome ?? (limit === undefined ? 'notLimited' : 'notMeasured'),
    };
  };
  const statistic = measured.measuredLatency?.statistic ?? constraints.latencyStatistic ?? hardware.statistic;
  return [
    {
      ...row('minTop1', 'Top-1', '≥', formatFraction),
      predicted: `${withInterval(delivered.predictedTop1, delivered.predictedTop1Interval, formatFraction)}${sure('at least', delivered.predictedTop1Lower, formatFraction)}`,
      measured: measuredTop1(measured),
    },
    {
      ...row('maxLatencyMs', `Latency (${statistic})`, '≤', (limit) => `${limit} ms`),
      predicted: `${predictedLatency(delivered)}${sure('at most', delivered.predictedLatencyUpperMs, formatMs)}`,
      measured: measuredLatency(measured),
    },
    ...COUNTS.map(([count, name, figure, show]) => ({
      ...row(name, figure, '≤', show),
      predicted: show(delivered[count]),
      measured: show(measured[count]),
    })),
  ];
}

/** `0.548 ms (0.535–0.581 ms)`: the unit stands once in the parentheses. */
function withInterval(value: number, interval: IntervalView | undefined, show: (value: number) => string): string {
  if (interval === undefined) return show(value);
  const low = show(interval.low).replace(/ \S+$/, '');
  return `${show(value)} (${low}–${show(interval.high)})`;
}

function predictedLatency({ predictedLatencyMs, predictedLatencyIntervalMs }: CandidateView): string {
  return predictedLatencyMs === undefined ? '' : withInterval(predictedLatencyMs, predictedLatencyIntervalMs, formatMs);
}

function measuredTop1({ measuredTop1: top1, top1Images }: MeasuredView): string {
  if (top1 === undefined) return '';
  return top1Images === undefined
    ? formatFraction(top1)
    : `${formatFraction(top1)} on ${formatCount(top1Images)} images`;
}

function measuredLatency({ measuredLatency: latency }: MeasuredView): string {
  if (latency === undefined) return '';
  const { valueMs, lowMs, highMs, samples } = latency;
  return `${withInterval(valueMs, { low: lowMs, high: highMs }, formatMs)}, ${formatCount(samples)} runs`;
}
