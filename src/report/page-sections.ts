import { formatBytes, formatCount, formatFraction, formatMs, formatSeconds } from './format.js';
import { html, type SafeHtml } from './html.js';
import type { CandidateView, CheckView, LayerView, ReportView } from './model.js';
import { inputSentence, javascriptSnippet, pythonSnippet } from './snippets.js';
import { type VerdictRow, verdictRows } from './verdicts.js';

/** Characters of an arch id that tell the candidates of one report apart. */
const SHORT_ID = 12;

/** An outcome in words; the sign in front tells it without color. */
const OUTCOMES: Readonly<Record<VerdictRow['verdict'], string>> = {
  passed: '✓ passed',
  failed: '✗ failed',
  notMeasured: '– not measured',
  notLimited: 'no limit',
};

/** The table constraint / predicted / measured / verdict. */
export function verdictsSection(view: ReportView): SafeHtml {
  const cell = (label: string, text: string): SafeHtml =>
    text === '' ? html`<td class="nothing">–</td>` : html`<td data-label="${label}">${text}</td>`;
  const rows = verdictRows(view).map(
    (row) =>
      html`<tr><th scope="row">${row.figure}</th>${cell('Limit', row.limit)}${cell('Predicted', row.predicted)}${cell(
        'Measured',
        row.measured,
      )}<td data-label="Verdict" class="${row.verdict}">${OUTCOMES[row.verdict]}</td></tr>`,
  );
  return html`<section><h2>Limits and figures</h2>
<table class="verdicts"><thead><tr><th scope="col">Figure</th><th scope="col">Limit</th><th scope="col">Predicted</th><th scope="col">Measured or counted</th><th scope="col">Verdict</th></tr></thead>
<tbody>${rows}</tbody></table></section>`;
}

/** The front's figure as a table, folded: the exact values behind its points. */
export function frontSection({ paretoFront, delivered }: ReportView): SafeHtml {
  const rows = paretoFront.map(
    ({ archId, arch, predictedTop1, predictedLatencyMs, macs, params, modelBytes }) =>
      html`<tr><th scope="row"><code>${archId.slice(0, SHORT_ID)}</code>${
        archId === delivered.archId ? ' (delivered)' : ''
      }</th><td class="number">${arch.resolution}</td><td class="number">${formatFraction(
        predictedTop1,
      )}</td><td class="number">${predictedLatencyMs === undefined ? '–' : formatMs(predictedLatencyMs)}</td><td class="number">${formatCount(
        macs,
      )}</td><td class="number">${formatCount(params)}</td><td class="number">${formatBytes(modelBytes)}</td></tr>`,
  );
  return html`<details class="card"><summary>All ${paretoFront.length} candidates on the front as a table</summary><div class="scroll">
<table><thead><tr><th scope="col">Arch</th><th scope="col" class="number">Resolution</th><th scope="col" class="number">Predicted top-1</th><th scope="col" class="number">Predicted latency</th><th scope="col" class="number">MACs</th><th scope="col" class="number">Params</th><th scope="col" class="number">Model size</th></tr></thead>
<tbody>${rows}</tbody></table></div></details>`;
}

/** Every check with its sentence. */
export function checksSection(checks: readonly CheckView[]): SafeHtml {
  return html`<section><h2>Checks of the delivered model</h2>${checksTable(checks)}</section>`;
}

/** The candidates that were tried first, each with the checks that turned it down; nothing where the first one was delivered. */
export function rejectedSection(rejected: ReportView['rejected']): SafeHtml {
  if (rejected.length === 0) return html``;
  const items = rejected.map(
    ({ candidate, checks }) =>
      html`<h3>${candidateLine(candidate)}</h3>${checksTable(checks.filter(({ outcome }) => outcome === 'failed'))}`,
  );
  return html`<section><h2>Candidates turned down before it</h2>${items}</section>`;
}

/** Classes that are named in the text; more of them are folded away. */
const SHOWN_CLASSES = 50;

function classesNote(classNames: readonly string[]): SafeHtml {
  const names = classNames.join(', ');
  if (classNames.length <= SHOWN_CLASSES) return html`<p class="note">Classes in order: ${names}.</p>`;
  return html`<details><summary>The ${formatCount(classNames.length)} classes in order</summary><p class="note">${names}</p></details>`;
}

/** What to feed the model, and code that does it. */
export function runSection(view: ReportView): SafeHtml {
  const { classNames } = view.input;
  const classes = classNames === undefined ? html`` : classesNote(classNames);
  return html`<section><h2>Run it</h2>
<p>${inputSentence(view)}</p>${classes}
<h3>JavaScript (onnxruntime-node)</h3>
<pre><code>${javascriptSnippet(view)}</code></pre>
<h3>Python (onnxruntime)</h3>
<pre><code>${pythonSnippet(view)}</code></pre>
<p class="note">One click selects a whole block.</p></section>`;
}

/** The figure of the layers with the table behind it, folded. */
export function layersSection(layers: readonly LayerView[], figure: SafeHtml): SafeHtml {
  const optional = (value: number | undefined, show: (value: number) => string): string =>
    value === undefined ? '' : show(value);
  const rows = layers.map(
    (layer) =>
      html`<tr><th scope="row">${layer.name}</th><td>${layer.op}</td><td>${optional(
        layer.kernel,
        (side) => `${side} x ${side}${layer.stride === 2 ? ', stride 2' : ''}`,
      )}</td><td class="number">${layer.inChannels} → ${layer.outChannels}</td><td class="number">${layer.inSize} → ${
        layer.outSize
      }</td><td class="number">${formatCount(layer.macs)}</td><td class="number">${formatCount(
        layer.params,
      )}</td><td class="number">${optional(layer.latencyMs, formatMs)}</td></tr>`,
  );
  return html`<section class="wide"><h2>Layers</h2>${figure}</section>
<details class="card"><summary>All ${layers.length} layers as a table</summary><div class="scroll">
<table><thead><tr><th scope="col">Layer</th><th scope="col">Operator</th><th scope="col">Kernel</th><th scope="col" class="number">Channels</th><th scope="col" class="number">Side, pixels</th><th scope="col" class="number">MACs</th><th scope="col" class="number">Params</th><th scope="col" class="number">Predicted latency</th></tr></thead>
<tbody>${rows}</tbody></table></div></details>`;
}

/** Hashes, seed, versions and times: what it takes to make the same again. */
export function provenanceSection(view: ReportView): SafeHtml {
  const { artifact, supernet, hardware, request, delivered, measured } = view;
  const { arch } = delivered;
  const entries: readonly (readonly [string, string])[] = [
    ['Model sha256', artifact.sha256],
    [
      'Model file',
      `${formatCount(artifact.bytes)} bytes, ONNX opset ${artifact.opset}, exporter revision ${artifact.exporterRevision}`,
    ],
    ['Supernet', `${supernet.id}, space ${supernet.spaceId}`],
    ['Supernet sha256', supernet.sha256],
    ['Arch id', delivered.archId],
    ['Depths', arch.depths.join(' ')],
    ['Kernel sizes', arch.kernelSizes.join(' ')],
    ['Expand ratios', arch.expandRatios.join(' ')],
    ['Resolution', `${arch.resolution} x ${arch.resolution}`],
    ['Parity with the supernet', `${measured.parityRelative.toExponential(1)} of the largest logit`],
    [
      'Latency model',
      `${hardware.id} (${hardware.statistic}), revision ${hardware.revision}, ${meanError(hardware.errorPercent)}`,
    ],
    ['Seed', String(request.seed)],
    ['Evaluations', searchText(view)],
    ...certaintyEntries(view),
    ...Object.entries(request.labels).map(([key, value]) => [`Label ${key}`, value] as const),
    [
      'Seconds',
      Object.entries(view.timings)
        .map(([stage, seconds]) => `${stageName(stage)} ${formatSeconds(seconds)}`)
        .join(', '),
    ],
    [
      'Versions',
      Object.entries(view.versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
  ];
  return html`<section><h2>Provenance</h2><dl>${entries.map(([term, value]) => html`<dt>${term}</dt><dd>${value}</dd>`)}</dl></section>`;
}

function checksTable(checks: readonly CheckView[]): SafeHtml {
  const rows = checks.map(
    ({ id, outcome, detail }) =>
      html`<tr><th scope="row">${id}</th><td class="${outcome}">${OUTCOMES[outcome]}</td><td>${detail}</td></tr>`,
  );
  return html`<table class="checks"><thead><tr><th scope="col">Check</th><th scope="col">Outcome</th><th scope="col">Why</th></tr></thead><tbody>${rows}</tbody></table>`;
}

function candidateLine({ archId, predictedTop1, predictedLatencyMs, macs, modelBytes }: CandidateView): string {
  const latency = predictedLatencyMs === undefined ? '' : `, ${formatMs(predictedLatencyMs)}`;
  return `${archId.slice(0, SHORT_ID)}: predicted top-1 ${formatFraction(predictedTop1)}${latency}, ${formatCount(macs)} MACs, ${formatBytes(modelBytes)}`;
}

function searchText({ searchHistory, request, searchCutShort }: ReportView): string {
  const evaluations = formatCount(searchHistory.at(-1)?.evaluations ?? request.search.evaluations);
  return searchCutShort === true ? `${evaluations}, cut short by the time limit` : evaluations;
}

/** What was asked of the search beside its limits, how sure the figures are, and whose answer this is. */
function certaintyEntries({ request, intervalConfidence, storedAnswerOf }: ReportView): [string, string][] {
  const percent = (share: number): string => `${Number((100 * share).toFixed(2))} %`;
  const { confidence } = request.search;
  return [
    ...(request.objective === undefined ? [] : [['Objective', request.objective] as [string, string]]),
    ...(confidence === undefined ? [] : [['Limits held at', `${percent(confidence)} confidence`] as [string, string]]),
    ...(intervalConfidence === undefined ? [] : [['Intervals', `${percent(intervalConfidence)}`] as [string, string]]),
    ...(storedAnswerOf === undefined ? [] : [['Stored answer of', storedAnswerOf] as [string, string]]),
  ];
}

function meanError(percent: number | undefined): string {
  return percent === undefined ? 'error not known' : `${percent.toFixed(1)} % mean error`;
}

/** `searchSeconds` -> `search`. */
function stageName(key: string): string {
  return key.replace(/Seconds$/, '');
}
