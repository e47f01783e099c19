import type { TopLevelSpec } from 'vega-lite';
import { SERIES_COLORS } from './palette.js';
import { FIGURE_SIZE, renderSvg } from './render.js';

/** One named series of points (x, y). */
export interface PlotSeries {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

/** An axis: its title with the unit, and a d3-format for its labels (`.1%`, `~s`). */
export interface PlotAxis {
  readonly title: string;
  readonly format?: string;
  /** True: the axis starts at zero. */
  readonly zero?: boolean;
}

/** A figure of one or more series over shared axes. */
export interface PlotSpec {
  readonly title: string;
  /** Text alternative: what the figure shows, in one sentence. */
  readonly description: string;
  readonly x: PlotAxis;
  readonly y: PlotAxis;
  readonly series: readonly PlotSeries[];
}

/** A line per series, as SVG; training curves, for one. Points are joined in the order of x. */
export function linePlot(spec: PlotSpec): Promise<string> {
  return renderSvg(seriesSpec(spec, { type: 'line', strokeWidth: 2 }), spec.description);
}

/** A dot per point, as SVG; predicted against measured, for one. */
export function scatterPlot(spec: PlotSpec): Promise<string> {
  return renderSvg(seriesSpec(spec, { type: 'point', filled: true, size: 36, opacity: 0.75 }), spec.description);
}

/** More names in one row would run over the figure's edge. */
const LEGEND_COLUMNS = 2;

type Mark =
  | { readonly type: 'line'; readonly strokeWidth: number }
  | { readonly type: 'point'; readonly filled: true; readonly size: number; readonly opacity: number };

function seriesSpec({ title, x, y, series }: PlotSpec, mark: Mark): TopLevelSpec {
  const names = series.map(({ name }) => name);
  const range = names.map((_, index) => SERIES_COLORS[index % SERIES_COLORS.length] ?? 'currentColor');
  return {
    title,
    ...FIGURE_SIZE,
    data: { values: series.flatMap(({ name, points }) => points.map((point) => ({ name, x: point[0], y: point[1] }))) },
    mark: { ...mark },
    encoding: {
      x: axisChannel('x', x),
      y: axisChannel('y', y),
      color: {
        field: 'name',
        type: 'nominal',
        scale: { domain: names, range },
        legend: names.length > 1 ? { columns: LEGEND_COLUMNS } : null,
      },
      // Points are told apart without color as well.
      ...(mark.type === 'point' && names.length > 1
        ? { shape: { field: 'name', type: 'nominal', scale: { domain: names } } }
        : {}),
    },
  };
}

/** A quantitative channel on field `x` or `y`. */
export function axisChannel(
  field: 'x' | 'y',
  { title, format, zero = false }: PlotAxis,
): {
  field: string;
  type: 'quantitative';
  scale: { zero: boolean; nice: boolean };
  axis: { title: string; format?: string };
} {
  return {
    field,
    type: 'quantitative',
    scale: { zero, nice: true },
    axis: { title, ...(format === undefined ? {} : { format }) },
  };
}
