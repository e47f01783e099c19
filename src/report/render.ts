import type { TopLevelSpec } from 'vega-lite';
import { escapeHtml } from './html.js';
import { color, figureDarkStyle } from './palette.js';

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** Size of a figure in pixels, axes and legend included, so that figures side by side show text of one size. */
export const FIGURE_SIZE = {
  width: 460,
  height: 330,
  autosize: { type: 'fit', contains: 'padding' },
} as const;

/** Looks of every figure: one font, thin grid, no frame. Sizes in pixels. */
const CONFIG = {
  background: color('surface'),
  font: FONT,
  padding: 8,
  view: { stroke: null },
  title: {
    color: color('ink'),
    fontSize: 14,
    fontWeight: 600,
    anchor: 'start',
    offset: 12,
    subtitleColor: color('muted'),
    subtitleFontSize: 12,
    subtitlePadding: 6,
  },
  axis: {
    labelColor: color('muted'),
    titleColor: color('muted'),
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 400,
    gridColor: color('grid'),
    domainColor: color('muted'),
    tickColor: color('muted'),
    tickCount: 5,
  },
  legend: { labelColor: color('ink'), titleColor: color('muted'), labelFontSize: 12, orient: 'top', title: null },
  header: { labelColor: color('muted'), titleColor: color('muted'), labelFontSize: 12 },
  text: { color: color('ink'), fontSize: 12 },
} as const;

/**
 * Draws a Vega-Lite specification as one SVG element: no script, font or network, light and dark by the reader's preference.
 * The plotting library is loaded at the first call, so that a process that draws nothing does not hold it in memory.
 * @param description what the figure shows, in one sentence: its text alternative
 */
export async function renderSvg(spec: TopLevelSpec, description: string): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  const compiled = vegaLite.compile(spec, { config: CONFIG });
  const view = new vega.View(vega.parse(compiled.spec), { renderer: 'none', logLevel: vega.Error });
  try {
    const svg = await view.toSVG();
    const label = escapeHtml(description).replaceAll('$', '$$$$'); // `$` has a meaning in a replacement
    return svg.replace('>', ` role="img" aria-label="${label}"><style>${figureDarkStyle()}</style>`); // the opening tag
  } finally {
    view.finalize();
  }
}
