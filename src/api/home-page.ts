import type { SpecializationRow } from '../specialize/types.js';
import { escapeHtml, pageHtml, tableHtml } from './html.js';
import type { Catalog } from './ports.js';

const PERCENT_DIGITS = 2;

function rowHtml(row: SpecializationRow): readonly string[] {
  const { request, result, id } = row;
  const address = `/v1/specializations/${id}`;
  const top1 = result?.measured.measuredTop1;
  const latencyMs = result?.measured.measuredLatency?.valueMs ?? result?.predicted.predictedLatencyMs;
  const limits = Object.entries(request.constraints).map(([name, value]) => `${name} ${value}`);
  const links =
    result === null ? '' : `<a href="${address}/report">report</a> <a href="${address}/model.onnx">model</a>`;
  return [
    `<a href="${address}">${escapeHtml(id.slice(0, 8))}</a>`,
    escapeHtml(row.status),
    `<time datetime="${escapeHtml(row.createdAt)}">${escapeHtml(row.createdAt.slice(0, 19).replace('T', ' '))}</time>`,
    escapeHtml(`${request.supernetId} on ${request.hardwareId}`),
    escapeHtml(limits.join(', ')),
    top1 === undefined ? '' : `${(top1 * 100).toFixed(PERCENT_DIGITS)} %`,
    latencyMs === undefined ? '' : `${latencyMs.toPrecision(3)} ms`,
    links,
  ];
}

const COLUMNS = ['Id', 'Status', 'Created (UTC)', 'For', 'Limits', 'Top-1', 'Latency', ''];

/** The page at `/`: what this is, where to go, what was made lately. */
export function homePage(catalog: Catalog, rows: readonly SpecializationRow[], version: string): string {
  const supernets = catalog
    .supernets()
    .map(({ id, title }) => `<li><a href="/v1/supernets/${escapeHtml(id)}">${escapeHtml(title)}</a></li>`);
  const latest = rows.length === 0 ? '<p>None yet.</p>' : tableHtml(COLUMNS, rows.map(rowHtml));
  const body = `<h1>Bespoke</h1>
<p>One network is trained once; from it, in seconds and without training, this server cuts the sub-network that fits a device.
POST limits to <code>/v1/specializations</code>; the answer is an ONNX model and a report of what was measured.</p>
<ul>
<li><a href="/docs">The API</a> (<a href="/openapi.yaml">openapi.yaml</a>)</li>
<li><a href="/v1/specializations">Every specialization</a>, <a href="/v1/hardware">hardware types</a></li>
<li><a href="/healthz">Alive</a>, <a href="/readyz">ready</a>, <a href="/metrics">metrics</a></li>
</ul>
<h2>Supernets</h2>
<ul>${supernets.join('\n') || '<li>None is loaded.</li>'}</ul>
<h2>Latest specializations</h2>
${latest}
<p>Version ${escapeHtml(version)}</p>`;
  return pageHtml('Bespoke', body);
}
