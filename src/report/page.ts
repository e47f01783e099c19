import { formatFraction, formatMs, formatShortCount } from './format.js';
import { frontPlot } from './front-plot.js';
import { html, type SafeHtml, trusted } from './html.js';
import { layersPlot } from './layers-plot.js';
import type { ReportView } from './model.js';
import { moreBudgetSection } from './more-budget-section.js';
import {
  checksSection,
  frontSection,
  layersSection,
  provenanceSection,
  rejectedSection,
  runSection,
  verdictsSection,
} from './page-sections.js';
import { pageStyle } from './page-style.js';
import { searchPlot } from './search-plot.js';

/**
 * One HTML file that shows a specialization: what was delivered, whether it keeps its limits, the figures, every check, how to run
 * the model, and where it comes from. It holds its style and figures, has no script and asks for nothing over the network.
 */
export async function reportPage(view: ReportView): Promise<string> {
  const [front, search, layers] = await Promise.all([frontPlot(view), searchPlot(view), layersPlot(view)]);
  const figure = (svg: string): SafeHtml => html`<figure>${trusted(svg)}</figure>`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${pageTitle(view)}</title>
<style>${trusted(pageStyle())}</style>
</head>
<body>
<main>
${noticesBlock(view.notices ?? [])}
<p class="over">Bespoke specialization ${view.id}, ${view.createdAt}</p>
<h1>${pageTitle(view)}</h1>
<p class="lede">${lede(view)}</p>
${verdictsSection(view)}
<section class="pair" aria-label="Figures">${figure(front)}${figure(search)}</section>
${moreBudgetSection(view)}
${frontSection(view)}
${checksSection(view.checks)}
${rejectedSection(view.rejected)}
${runSection(view)}
${layersSection(view.layers, figure(layers))}
${provenanceSection(view)}
</main>
</body>
</html>
`;
  return page.markup;
}

/** What was not calibrated or measured, before everything else. */
function noticesBlock(notices: readonly string[]): SafeHtml {
  if (notices.length === 0) return html``;
  return html`<aside class="notices" role="note">${notices.map((notice) => html`<p>${notice}</p>`)}</aside>`;
}

function pageTitle({ measured, hardware }: ReportView): string {
  return `A network of ${formatShortCount(measured.macs)} MACs for ${hardware.name}`;
}

/** The result first: accuracy, latency, and how many checks hold. */
function lede({ delivered, measured, checks, request }: ReportView): string {
  const top1 =
    measured.measuredTop1 === undefined
      ? `predicted top-1 ${formatFraction(delivered.predictedTop1)} (not measured)`
      : `measured top-1 ${formatFraction(measured.measuredTop1)} (predicted ${formatFraction(delivered.predictedTop1)})`;
  const limit = request.constraints.maxLatencyMs;
  const against = limit === undefined ? '' : ` against a limit of ${limit} ms`;
  const passed = checks.filter(({ outcome }) => outcome === 'passed').length;
  const failed = checks.filter(({ outcome }) => outcome === 'failed').length;
  const open = checks.length - passed - failed;
  const counts = [
    `${passed} of ${checks.length} checks passed`,
    ...(failed === 0 ? [] : [`${failed} failed`]),
    ...(open === 0 ? [] : [`${open} not measured`]),
  ];
  return `${capitalized(top1)}${latencyPhrase(delivered, measured, against)}. ${counts.join(', ')}.`;
}

function latencyPhrase(
  { predictedLatencyMs }: ReportView['delivered'],
  { measuredLatency }: ReportView['measured'],
  against: string,
): string {
  if (measuredLatency !== undefined) {
    return `; ${formatMs(measuredLatency.valueMs)} measured latency (${measuredLatency.statistic})${against}`;
  }
  return predictedLatencyMs === undefined ? '' : `; ${formatMs(predictedLatencyMs)} predicted latency${against}`;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
