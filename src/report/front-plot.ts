import type { TopLevelSpec } from 'vega-lite';
import { formatCount, formatFraction, formatMs, formatShortCount } from './format.js';
import type { CandidateView, ReportView } from './model.js';
import { color } from './palette.js';
import { axisChannel } from './plots.js';
import { FIGURE_SIZE, renderSvg } from './render.js';

/** What the front's figure needs of a report. */
export type FrontView = Pick<ReportView, 'delivered' | 'measured' | 'paretoFront' | 'request' | 'hardware'>;

/** The figure's horizontal axis: latency where every candidate has one, MACs otherwise. */
interface CostAxis {
  readonly title: string;
  readonly format: string;
  readonly of: (candidate: CandidateView) => number;
  readonly limit: number | undefined;
  /** The delivered model's own cost, where it was measured (latency) or counted (MACs). */
  readonly measured: number | undefined;
  readonly text: (value: number) => string;
  /** The limit with its unit, digit for digit as it was given. */
  readonly limitText: (value: number) => string;
  /** True: the cost is counted, so that it has no interval. */
  readonly isExact: boolean;
}

type PointKind = 'front' | 'predicted' | 'measured';

/** Look of each kind of point; shape and size tell them apart without color. */
const POINT_LOOKS: Readonly<Record<PointKind, { color: string; shape: string; size: number }>> = {
  front: { color: color('front'), shape: 'circle', size: 40 },
  predicted: { color: color('predicted'), shape: 'circle', size: 170 },
  measured: { color: color('measured'), shape: 'diamond', size: 170 },
};

/** A limit further right than this many times the largest cost would squeeze the front into a corner; it is named in words instead. */
const FARTHEST_LIMIT = 1.6;

/**
 * Accuracy against cost as SVG: the Pareto front, the delivered candidate (predicted, and measured beside it), and the limits.
 * Cost is the predicted latency where the candidates have one, otherwise MACs.
 */
export function frontPlot(view: FrontView): Promise<string> {
  const axis = costAxis(view);
  const { minTop1 } = view.request.constraints;
  const limitInSight = axis.limit !== undefined && axis.limit <= FARTHEST_LIMIT * largestCost(view, axis);
  const spec: TopLevelSpec = {
    title: { text: 'Accuracy against cost', subtitle: subtitle(view, axis, limitInSight) },
    ...FIGURE_SIZE,
    layer: [
      ...(limitInSight && axis.limit !== undefined
        ? limitLayers('x', axis.limit, `limit ${axis.limitText(axis.limit)}`)
        : []),
      ...(minTop1 === undefined ? [] : limitLayers('y', minTop1, `at least ${formatFraction(minTop1)}`)),
      ...intervalLayers(view.delivered, axis),
      ...pointLayers(view, axis),
    ],
  };
  return renderSvg(spec, describe(view, axis));
}

function costAxis(view: FrontView): CostAxis {
  const { constraints } = view.request;
  const candidates = [view.delivered, ...view.paretoFront];
  if (candidates.every(({ predictedLatencyMs }) => predictedLatencyMs !== undefined)) {
    return {
      title: `latency (${view.measured.measuredLatency?.statistic ?? view.hardware.statistic}), ms`,
      format: '~r',
      of: ({ predictedLatencyMs = 0 }) => predictedLatencyMs,
      limit: constraints.maxLatencyMs,
      measured: view.measured.measuredLatency?.valueMs,
      text: formatMs,
      limitText: (value) => `${value} ms`,
      isExact: false,
    };
  }
  return {
    title: 'MACs',
    format: '~s',
    of: ({ macs }) => macs,
    limit: constraints.maxMacs,
    measured: view.measured.macs,
    text: (value) => `${formatShortCount(value)} MACs`,
    limitText: (value) => `${formatCount(value)} MACs`,
    isExact: true,
  };
}

function largestCost(view: FrontView, axis: CostAxis): number {
  return Math.max(axis.measured ?? 0, ...[view.delivered, ...view.paretoFront].map(axis.of));
}

function subtitle(view: FrontView, axis: CostAxis, limitInSight: boolean): string[] {
  return [
    `Delivered: ${deliveredText(view, axis)} (predicted).`,
    ...(axis.limit === undefined || limitInSight
      ? []
      : [`The limit of ${axis.limitText(axis.limit)} lies right of the figure.`]),
  ];
}

function pointLayers(view: FrontView, axis: CostAxis): TopLevelSpecLayer[] {
  const { measuredTop1 } = view.measured;
  const front = view.paretoFront.map((candidate) => ({
    kind: 'front' satisfies PointKind,
    x: axis.of(candidate),
    y: candidate.predictedTop1,
  }));
  const delivered = {
    kind: 'predicted' satisfies PointKind,
    x: axis.of(view.delivered),
    y: view.delivered.predictedTop1,
  };
  const measured =
    measuredTop1 === undefined || axis.measured === undefined
      ? []
      : [{ kind: 'measured' satisfies PointKind, x: axis.measured, y: measuredTop1 }];
  const kinds = Object.keys(POINT_LOOKS).filter((kind) => kind !== 'measured' || measured.length > 0);
  const looks = Object.entries(POINT_LOOKS).flatMap(([kind, look]) => (kinds.includes(kind) ? [look] : []));
  const scaleOf = <T>(range: T[]): { domain: string[]; range: T[] } => ({ domain: kinds, range });
  const y = axisChannel('y', { title: 'top-1', format: '.1%' });
  return [
    {
      data: { values: front },
      mark: { type: 'line', color: color('front'), strokeWidth: 1.5 },
      encoding: { x: axisChannel('x', axis), y },
    },
    {
      data: { values: [...front, delivered, ...measured] },
      mark: { type: 'point', filled: true, opacity: 1 },
      encoding: {
        x: axisChannel('x', axis),
        y,
        color: { field: 'kind', type: 'nominal', scale: scaleOf(looks.map((look) => look.color)) },
        shape: { field: 'kind', type: 'nominal', scale: scaleOf(looks.map(({ shape }) => shape)) },
        size: {
          field: 'kind',
          type: 'nominal',
          scale: scaleOf(looks.map(({ size }) => size)),
          sort: kinds,
        },
      },
    },
    {
      data: { values: [delivered] },
      mark: {
        type: 'text',
        text: 'delivered',
        fontWeight: 600,
        color: color('ink'),
        ...labelPlace(delivered.x, front),
      },
      encoding: { x: axisChannel('x', axis), y },
    },
  ];
}

/**
 * Where the delivered point's label stands: left above it, or right below it near the left edge.
 * No point of the front lies in either place: it would dominate the delivered one or be dominated by it.
 */
function labelPlace(
  x: number,
  front: readonly { readonly x: number }[],
): { align: 'left' | 'right'; dx: number; dy: number } {
  const costs = [x, ...front.map((point) => point.x)];
  const lowest = Math.min(...costs);
  const nearLeftEdge = x - lowest < (Math.max(...costs) - lowest) / 5; // the label is about a fifth of the figure wide
  return nearLeftEdge ? { align: 'left', dx: 12, dy: 14 } : { align: 'right', dx: -12, dy: -14 };
}

/** A dashed line across the figure with its value in words. */
function limitLayers(field: 'x' | 'y', value: number, label: string): TopLevelSpecLayer[] {
  const data = { values: [{ [field]: value, label }] };
  const position = { [field]: { field, type: 'quantitative' as const } };
  const text =
    field === 'x'
      ? { align: 'right' as const, baseline: 'bottom' as const, dx: -6, dy: -4, y: 'height' as const }
      : { align: 'right' as const, dy: 12, x: 'width' as const };
  return [
    { data, mark: { type: 'rule', color: color('limit'), strokeDash: [5, 4], strokeWidth: 1.5 }, encoding: position },
    {
      data,
      mark: { type: 'text', color: color('limit'), ...text },
      encoding: { ...position, text: { field: 'label' } },
    },
  ];
}

/** The delivered candidate's prediction intervals as thin bars through its point. */
function intervalLayers(delivered: CandidateView, axis: CostAxis): TopLevelSpecLayer[] {
  const { predictedTop1: y, predictedTop1Interval: top1, predictedLatencyIntervalMs: latency } = delivered;
  const mark = { type: 'rule' as const, color: color('predicted'), strokeWidth: 1.5, opacity: 0.7 };
  const position = {
    x: { field: 'x', type: 'quantitative' as const },
    y: { field: 'y', type: 'quantitative' as const },
  };
  const accuracy: TopLevelSpecLayer = {
    data: { values: top1 === undefined ? [] : [{ x: axis.of(delivered), y: top1.low, y2: top1.high }] },
    mark,
    encoding: { ...position, y2: { field: 'y2' } },
  };
  const cost: TopLevelSpecLayer = {
    data: { values: latency === undefined ? [] : [{ x: latency.low, x2: latency.high, y }] },
    mark,
    encoding: { ...position, x2: { field: 'x2' } },
  };
  return [...(top1 === undefined ? [] : [accuracy]), ...(latency === undefined || axis.isExact ? [] : [cost])];
}

function describe(view: FrontView, axis: CostAxis): string {
  const candidates = `${view.paretoFront.length} candidates on the Pareto front`;
  return `Predicted top-1 against ${axis.title} of the ${candidates}; delivered: ${deliveredText(view, axis)}.`;
}

function deliveredText({ delivered }: FrontView, axis: CostAxis): string {
  return `${formatFraction(delivered.predictedTop1)} at ${axis.text(axis.of(delivered))}`;
}

type LayerArray = Extract<TopLevelSpec, { layer: unknown }>['layer'];
type TopLevelSpecLayer = LayerArray[number];
