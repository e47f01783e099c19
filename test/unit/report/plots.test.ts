import { describe, expect, it } from 'vitest';
import { frontPlot } from '../../../src/report/front-plot.js';
import { layersPlot } from '../../../src/report/layers-plot.js';
import { linePlot, type PlotSpec, scatterPlot } from '../../../src/report/plots.js';
import { searchPlot } from '../../../src/report/search-plot.js';
import { openTags, symbolPositions } from './markup.js';
import { sampleView } from './sample-view.js';

const CURVE: PlotSpec = {
  title: 'Loss',
  description: 'Training loss over images.',
  x: { title: 'images', format: '~s' },
  y: { title: 'loss', zero: true },
  series: [
    {
      name: 'largest',
      points: [
        [0, 2],
        [1, 1],
        [2, 0],
      ],
    },
    {
      name: 'smallest',
      points: [
        [0, 2],
        [1, 1.5],
        [2, 1],
      ],
    },
  ],
};

/** Positions `[x, y]` of data are drawn by one linear map per axis, x to the right and y upward. */
function expectLinear(
  data: readonly (readonly [number, number])[],
  drawn: readonly (readonly [number, number])[],
): void {
  expect(drawn).toHaveLength(data.length);
  for (const axis of [0, 1] as const) {
    const scales = data.slice(1).flatMap((point, i) => {
      const step = point[axis] - (data[0]?.[axis] ?? 0);
      return step === 0 ? [] : [((drawn[i + 1]?.[axis] ?? 0) - (drawn[0]?.[axis] ?? 0)) / step];
    });
    for (const scale of scales) expect(scale).toBeCloseTo(scales[0] ?? 0, 1); // positions are written with about 3 decimals
    expect(Math.sign(scales[0] ?? 0)).toBe(axis === 0 ? 1 : -1);
  }
}

describe('generic figures', () => {
  it('places points where their values say', async () => {
    const data = [
      [1, 10],
      [2, 40],
      [4, 20],
      [7, 30],
    ] as const;
    const svg = await scatterPlot({ ...CURVE, series: [{ name: 'nets', points: data }] });
    expectLinear(data, symbolPositions(svg));
  });

  it('draws a line and a legend entry per series', async () => {
    const svg = await linePlot(CURVE);
    expect(svg.match(/class="mark-line/g)).toHaveLength(2);
    expect(svg).toContain('>largest<');
    expect(svg).toContain('>smallest<');
  });

  it('carries its text alternative and its dark colors', async () => {
    const svg = await linePlot(CURVE);
    expect(svg).toContain('aria-label="Training loss over images."');
    expect(svg).toMatch(/^<svg[^>]*><style>@media \(prefers-color-scheme:dark\)/);
    expect(openTags(svg)).toEqual([]);
  });

  it('draws an empty series without failing', async () => {
    expect(openTags(await linePlot({ ...CURVE, series: [] }))).toEqual([]);
  });
});

describe('the front', () => {
  it('shows every candidate, the delivered one and its measurement', async () => {
    const view = sampleView();
    const svg = await frontPlot(view);
    const points = symbolPositions(svg);
    expect(points).toHaveLength(view.paretoFront.length + 2);
    const data = [...view.paretoFront, view.delivered].map(
      ({ predictedLatencyMs = 0, predictedTop1 }) => [predictedLatencyMs, predictedTop1] as const,
    );
    const { measuredLatency, measuredTop1 = 0 } = view.measured;
    const measured = [measuredLatency?.valueMs ?? 0, measuredTop1] as const;
    expectLinear(
      [...data, measured].map(([ms, top1]) => [100 * ms, 1000 * top1]),
      points,
    );
  });

  it('names both limits', async () => {
    const svg = await frontPlot(sampleView());
    expect(svg).toContain('limit 0.6 ms');
    expect(svg).toContain('at least 90.50 %');
  });

  it('puts a limit far to the right into words', async () => {
    const view = sampleView();
    const constraints = { ...view.request.constraints, maxLatencyMs: 20 };
    const svg = await frontPlot({ ...view, request: { ...view.request, constraints } });
    expect(svg).toContain('The limit of 20 ms lies right of the figure.');
  });

  it('falls back to MACs where a candidate has no latency', async () => {
    const view = sampleView();
    const { predictedLatencyMs: _absent, predictedLatencyIntervalMs: _too, ...delivered } = view.delivered;
    const svg = await frontPlot({ ...view, delivered });
    expect(svg).toContain('>MACs<');
    expect(svg).not.toContain('latency');
  });
});

describe('search and layers', () => {
  it('tells the best value and the evaluations', async () => {
    expect(await searchPlot(sampleView())).toContain('91.76 % after 20,000');
    expect(await searchPlot({ searchHistory: [] })).toContain('no point was recorded');
  });

  it('draws a MACs bar for every layer that has MACs, and a second panel only where latencies are known', async () => {
    const { layers } = sampleView();
    const bars = (svg: string): number => (svg.match(/aria-roledescription="bar"/g) ?? []).length;
    const costly = layers.filter(({ macs }) => macs > 0).length;
    expect(bars(await layersPlot({ layers }))).toBe(2 * costly);
    const untimed = layers.map(({ latencyMs: _absent, ...layer }) => layer);
    expect(bars(await layersPlot({ layers: untimed }))).toBe(costly);
  });
});
