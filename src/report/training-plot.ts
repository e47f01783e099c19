import type { TopLevelSpec } from 'vega-lite';
import { color, SERIES_COLORS } from './palette.js';
import type { PlotSeries } from './plots.js';
import { renderSvg } from './render.js';

/** A training run as its figure shows it; x is images seen everywhere. */
export interface TrainingView {
  readonly title: string;
  /** How far it is, in words. */
  readonly subtitle: string;
  /** Phases that have begun, in order, with the images seen at their start. */
  readonly phases: readonly { readonly name: string; readonly images: number }[];
  readonly loss: readonly PlotSeries[];
  /** Share of held-out images, 0..1. */
  readonly top1: readonly PlotSeries[];
  readonly learningRate: PlotSeries['points'];
}

/** Width of the panels, pixels. */
const WIDTH = 640;
const HEIGHTS = { loss: 220, top1: 200, learningRate: 90 } as const;
/** Points of a line: more than every second pixel shows nothing more, and costs time at every redraw. */
const MOST_POINTS = 300;
/** Left of the panels, pixels, so that their titles stand in one column. */
const LEFT = 52;
/** The library writes 0 as `0k` beside thousands. */
const IMAGE_LABEL = "datum.value === 0 ? '0' : format(datum.value, '~s')";
/** Width of a character of a phase's name, pixels: enough for the figure's font. */
const CHARACTER = 6.5;

/** At most `most` points, each the mean of as many neighbors; the last point stays what it is. */
function thinned(points: PlotSeries['points'], most: number): PlotSeries['points'] {
  const size = Math.ceil((points.length - 1) / (most - 1));
  const last = points.at(-1);
  if (size <= 1 || last === undefined) return points;
  const means: (readonly [number, number])[] = [];
  for (let start = 0; start < points.length - 1; start += size) {
    const group = points.slice(start, Math.min(start + size, points.length - 1));
    const mean = (axis: 0 | 1): number => group.reduce((sum, point) => sum + point[axis], 0) / group.length;
    means.push([mean(0), mean(1)]);
  }
  return [...means, last];
}

type Panel = Extract<TopLevelSpec, { vconcat: unknown }>['vconcat'][number];

interface PanelOptions {
  readonly height: number;
  readonly title: string;
  readonly format: string;
  readonly series: readonly PlotSeries[];
  /** All names of the figure, so that a name has one color in every panel. */
  readonly names: readonly string[];
  readonly withPoints: boolean;
  readonly withLegend: boolean;
  /** The last panel has the axis of images. */
  readonly isLast: boolean;
}

/** Names of phases where there is room until the next one. */
function phaseLabels({ phases }: TrainingView, end: number): { images: number; label: string }[] {
  return phases.map(({ name, images }, i) => {
    const room = (((phases[i + 1]?.images ?? end) - images) / Math.max(1, end)) * WIDTH - 8;
    const fitting = Math.floor(room / CHARACTER);
    const label = name.length <= fitting ? name : fitting >= 4 ? `${name.slice(0, fitting - 1)}…` : '';
    return { images, label };
  });
}

function panel(view: TrainingView, end: number, options: PanelOptions): Panel {
  const { height, title, format, series, names, withPoints, withLegend, isLast } = options;
  const x = {
    field: 'x',
    type: 'quantitative' as const,
    scale: { domain: [0, Math.max(1, end)], nice: false, zero: true },
    axis: isLast ? { title: 'images seen', labelExpr: IMAGE_LABEL } : { title: null, labels: false },
  };
  const values = series.flatMap(({ name, points }) =>
    thinned(points, MOST_POINTS).map(([px, y]) => ({ name, x: px, y })),
  );
  const range = names.map((_, index) => SERIES_COLORS[index % SERIES_COLORS.length] ?? 'currentColor');
  return {
    width: WIDTH,
    height,
    layer: [
      {
        data: { values: view.phases.filter(({ images }) => images > 0).map(({ images }) => ({ x: images })) },
        mark: { type: 'rule', color: color('muted'), strokeDash: [3, 3] },
        encoding: { x },
      },
      {
        data: { values },
        mark: { type: 'line', strokeWidth: 1.75, ...(withPoints && { point: { size: 18, filled: true } }) },
        encoding: {
          x,
          y: {
            field: 'y',
            type: 'quantitative',
            scale: { zero: false, nice: true },
            axis: { title, format, minExtent: LEFT },
          },
          color: {
            field: 'name',
            type: 'nominal',
            scale: { domain: [...names], range },
            ...(withLegend ? {} : { legend: null }),
          },
        },
      },
    ],
  };
}

/** The names of the phases as a strip above the panels. */
function phaseStrip(view: TrainingView, end: number): Panel {
  const domain = [0, Math.max(1, end)];
  return {
    width: WIDTH,
    height: 14,
    data: { values: phaseLabels(view, end) },
    mark: { type: 'text', align: 'left', dx: 4, color: color('muted'), fontSize: 11 },
    encoding: {
      x: { field: 'images', type: 'quantitative', scale: { domain, nice: false }, axis: null },
      text: { field: 'label', type: 'nominal' },
    },
  };
}

/** Loss by role, top-1 on held-out images and learning rate over the images seen, with the phases' boundaries, as one SVG. */
export function trainingPlot(view: TrainingView): Promise<string> {
  const { loss, top1, learningRate } = view;
  const names = [...new Set([...loss, ...top1].map(({ name }) => name))];
  const end = Math.max(
    0,
    ...[...loss, ...top1].map(({ points }) => points.at(-1)?.[0] ?? 0),
    learningRate.at(-1)?.[0] ?? 0,
  );
  const common = { names, withPoints: false, withLegend: false, isLast: false };
  const rate = [{ name: 'learning rate', points: learningRate }];
  const lossPanel = panel(view, end, {
    ...{ ...common, height: HEIGHTS.loss, title: 'training loss', format: '~r', series: loss },
    withLegend: names.length > 1,
  });
  const top1Panel = panel(view, end, {
    ...{ ...common, height: HEIGHTS.top1, title: 'held-out top-1', format: '.1%', series: top1, withPoints: true },
  });
  const ratePanel = panel(view, end, {
    ...{ ...common, height: HEIGHTS.learningRate, title: 'learning rate', format: '~g', series: rate },
    ...{ names: ['learning rate'], isLast: true },
  });
  const spec: TopLevelSpec = {
    title: { text: view.title, subtitle: view.subtitle },
    spacing: 10,
    resolve: { scale: { color: 'independent' } },
    vconcat: [phaseStrip(view, end), lossPanel, ...(top1.length > 0 ? [top1Panel] : []), ratePanel],
  };
  return renderSvg(spec, describe(view));
}

function describe({ title, subtitle, loss, top1 }: TrainingView): string {
  const ends = (series: readonly PlotSeries[], digits: (value: number) => string): string =>
    series.map(({ name, points }) => `${name} ${digits(points.at(-1)?.[1] ?? Number.NaN)}`).join(', ');
  return [
    `${title}, ${subtitle}`,
    ...(loss.length === 0 ? [] : [`last loss: ${ends(loss, (value) => value.toFixed(3))}`]),
    ...(top1.length === 0 ? [] : [`last held-out top-1: ${ends(top1, (value) => `${(value * 100).toFixed(1)} %`)}`]),
  ].join('; ');
}
