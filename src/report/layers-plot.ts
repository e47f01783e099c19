import type { TopLevelSpec } from 'vega-lite';
import { formatMs, formatShortCount } from './format.js';
import type { LayerView } from './model.js';
import { color } from './palette.js';
import { renderSvg } from './render.js';

/** Height of one layer's row, pixels. */
const ROW = 15;

/** MACs, and predicted latency where the latency model gives one, of every layer that has any: bars in execution order, as SVG. */
export function layersPlot({ layers }: { readonly layers: readonly LayerView[] }): Promise<string> {
  const shown = layers.filter(({ macs, latencyMs }) => macs > 0 || latencyMs !== undefined);
  const timed = shown.some(({ latencyMs }) => latencyMs !== undefined);
  const panels = [
    bars({ layers: shown, value: ({ macs }) => macs, title: 'MACs', format: '~s', fill: color('front'), names: true }),
    ...(timed
      ? [
          bars({
            layers: shown,
            value: ({ latencyMs }) => latencyMs,
            title: 'predicted latency, ms',
            format: '~r',
            fill: color('predicted'),
            names: false,
          }),
        ]
      : []),
  ];
  const spec: TopLevelSpec = { title: 'Where the cost lies', hconcat: panels, spacing: 16 };
  return renderSvg(spec, describe(shown, timed));
}

interface BarsOptions {
  readonly layers: readonly LayerView[];
  readonly value: (layer: LayerView) => number | undefined;
  readonly title: string;
  readonly format: string;
  readonly fill: string;
  /** True: the layers' names stand on the left. */
  readonly names: boolean;
}

type Panel = Extract<TopLevelSpec, { hconcat: unknown }>['hconcat'][number];

function bars({ layers, value, title, format, fill, names }: BarsOptions): Panel {
  const values = layers.map((layer) => ({ name: layer.name, value: value(layer) ?? 0 }));
  return {
    width: names ? 260 : 230,
    height: ROW * values.length,
    data: { values },
    mark: { type: 'bar', color: fill, height: { band: 0.72 } },
    encoding: {
      y: {
        field: 'name',
        type: 'nominal',
        sort: null, // execution order
        axis: names ? { title: null, labelLimit: 280, labelFontSize: 11, ticks: false, domain: false } : null,
      },
      x: { field: 'value', type: 'quantitative', axis: { title, format, orient: 'top' } },
    },
  };
}

function describe(layers: readonly LayerView[], timed: boolean): string {
  const heaviest = layers.toSorted((a, b) => b.macs - a.macs)[0];
  const slowest = timed ? layers.toSorted((a, b) => (b.latencyMs ?? 0) - (a.latencyMs ?? 0))[0] : undefined;
  return [
    `Cost of the ${layers.length} layers in execution order`,
    ...(heaviest === undefined ? [] : [`most MACs: ${heaviest.name} with ${formatShortCount(heaviest.macs)}`]),
    ...(slowest?.latencyMs === undefined ? [] : [`longest: ${slowest.name} with ${formatMs(slowest.latencyMs)}`]),
  ].join('; ');
}
