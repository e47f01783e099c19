import { formatBytes, formatCount, formatFraction, formatMs } from './format.js';
import { html, type SafeHtml } from './html.js';
import type { RelaxationView, ReportView } from './model.js';

const FIGURES: Readonly<Record<RelaxationView['figure'], readonly [string, (value: number) => string]>> = {
  predictedTop1: ['Predicted top-1', formatFraction],
  predictedLatencyMs: ['Predicted latency', formatMs],
  macs: ['MACs', formatCount],
};

const LIMITS: Readonly<Record<RelaxationView['id'], readonly [string, (value: number) => string]>> = {
  maxLatencyMs: ['Latency', formatMs],
  maxMacs: ['MACs', formatCount],
  maxParams: ['Parameters', formatCount],
  maxModelBytes: ['Model size', formatBytes],
  maxPeakMemoryBytes: ['Peak activation memory', formatBytes],
  minTop1: ['Top-1', formatFraction],
};

function effect({ figure, from, to, why }: RelaxationView): string {
  const [, format] = FIGURES[figure];
  if (to === undefined) return `unknown: ${why ?? 'not searched for'}`;
  return to === from ? 'nothing better was found' : format(to);
}

/** What a little more of each limit would buy, the others as asked; nothing where the report does not say. */
export function moreBudgetSection({ moreBudget = [] }: ReportView): SafeHtml {
  const [first] = moreBudget;
  if (first === undefined) return html``;
  const [name, format] = FIGURES[first.figure];
  const rows = moreBudget.map((each) => {
    const [limit, show] = LIMITS[each.id];
    return html`<tr><th scope="row">${limit}</th><td class="number">${show(each.limit)}</td><td class="number">${show(
      each.relaxedLimit,
    )}</td><td class="number">${format(each.from)}</td><td class="number">${effect(each)}</td></tr>`;
  });
  return html`<section><h2>What a little more would buy</h2>
<table><thead><tr><th scope="col">Limit</th><th scope="col" class="number">As asked</th><th scope="col" class="number">Loosened</th><th scope="col" class="number">${name} as asked</th><th scope="col" class="number">${name} then</th></tr></thead>
<tbody>${rows}</tbody></table>
<p class="note">Each limit is loosened alone; the figures are predictions, found by a further search that began with the front.</p></section>`;
}
