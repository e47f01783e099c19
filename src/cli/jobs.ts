import { writeFile } from 'node:fs/promises';
import { type CreateSpecialization, ProblemError, type Specialization, waitFor } from '../client/client.js';
import { BespokeError } from '../common/errors.js';
import { sha256 } from '../common/hash.js';
import type { components } from '../generated/openapi.js';
import { noticesOf } from '../specialize/checks.js';
import { codeOf, EXIT } from './arguments.js';
import type { Connection } from './connect.js';
import { formatCount, formatMs, formatPercent, formatTable } from './format.js';
import { remarksOf } from './more-budget.js';
import type { Terminal } from './terminal.js';

/** Milliseconds between two looks at a job that a person waits for. */
const POLL_MS = 200;

/** The value of an answer, or its problem thrown. */
export function unwrap<T>({ data, error }: { data?: T; error?: ConstructorParameters<typeof ProblemError>[0] }): T {
  if (error !== undefined) throw new ProblemError(error);
  if (data === undefined) throw new BespokeError('internal', 'the server answered with an empty body');
  return data;
}

/** Writes a result file. @throws BespokeError `storage-failed` naming it */
export async function writeOut(path: string, body: Uint8Array | string): Promise<void> {
  try {
    await writeFile(path, body);
  } catch (cause) {
    throw new BespokeError('storage-failed', `"${path}" cannot be written (${codeOf(cause)})`, {}, cause);
  }
}

/** Fetches a specialization's model and checks that its bytes have the digest that the result names. */
export async function downloadModel({ url }: Connection, row: Specialization): Promise<Uint8Array> {
  const response = await fetch(`${url}/v1/specializations/${row.id}/model.onnx`);
  if (!response.ok) throw new BespokeError('internal', `the model could not be downloaded (HTTP ${response.status})`);
  const model = new Uint8Array(await response.arrayBuffer());
  const expected = row.result?.artifact.sha256;
  if (sha256(model) !== expected) {
    throw new BespokeError(
      'internal',
      `the downloaded model has the sha256 ${sha256(model)}, the server names ${expected}`,
    );
  }
  return model;
}

/** POSTs a request and follows it to its end, with progress; Ctrl-C cancels the job. */
export async function runSpecialization(
  { client }: Connection,
  terminal: Terminal,
  body: CreateSpecialization,
): Promise<Specialization> {
  // Listened for before the job is asked for: a Ctrl-C between the two would leave it behind, running for nobody.
  let id: string | undefined;
  let isInterrupted = false;
  const cancel = (): void => {
    isInterrupted = true;
    if (id === undefined) return;
    // Whoever waits for the row hears of a server that is away.
    client.POST('/v1/specializations/{id}/cancel', { params: { path: { id } } }).catch(() => {});
  };
  process.once('SIGINT', cancel);
  try {
    id = unwrap(await client.POST('/v1/specializations', { body })).id;
    if (isInterrupted) cancel();
    return await waitFor(client, id, {
      pollMs: POLL_MS,
      onProgress: ({ stage, status, progress }) =>
        terminal.progress((stage ?? status).padEnd(11), { done: status === 'succeeded' ? 1 : progress, total: 1 }),
    });
  } finally {
    process.removeListener('SIGINT', cancel);
    terminal.endProgress();
  }
}

export interface SpecializeOutputs {
  readonly model: string;
  readonly report: string | undefined;
}

/** `bespoke specialize`: the main job. @returns the exit code */
export async function specializeCommand(
  connection: Connection,
  terminal: Terminal,
  { body, outputs }: { readonly body: CreateSpecialization; readonly outputs: SpecializeOutputs },
): Promise<number> {
  const row = await runSpecialization(connection, terminal, body);
  if (row.status !== 'succeeded') {
    terminal.printJson(row);
    terminal.note(`${row.status}: ${row.problem?.detail ?? 'stopped on request'}`);
    const nearest = Object.entries(row.problem?.nearestFeasible ?? {});
    for (const [name, value] of nearest) terminal.note(`  nearest ${name} that can be met: ${value}`);
    return EXIT.failed;
  }
  await writeOut(outputs.model, await downloadModel(connection, row));
  const { client } = connection;
  if (outputs.report !== undefined) {
    const report = unwrap(await client.GET('/v1/specializations/{id}/report', { params: { path: { id: row.id } } }));
    await writeOut(outputs.report, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  terminal.printJson(row);
  for (const notice of noticesOf(row.result?.checks ?? [])) terminal.print(notice);
  terminal.print(resultTable(row));
  for (const remark of remarksOf(row)) terminal.print(remark);
  terminal.print(`\nmodel   ${outputs.model} (sha256 ${row.result?.artifact.sha256})`);
  if (outputs.report !== undefined) terminal.print(`report  ${outputs.report}`);
  return EXIT.done;
}

/** Constraint, predicted, measured: what was asked and what came of it. */
export function resultTable({ request, result }: Specialization): string {
  if (result === null || result === undefined) return '';
  const { predicted, measured } = result;
  const { constraints } = request;
  const latency = measured.measuredLatency;
  const limit = (value: number | undefined, format: (n: number) => string): string =>
    value === undefined ? '' : format(value);
  const rows: string[][] = [
    [
      'latency',
      limit(constraints.maxLatencyMs, formatMs),
      limit(predicted.predictedLatencyMs, formatMs),
      limit(latency?.valueMs, formatMs),
    ],
    ['MACs', limit(constraints.maxMacs, formatCount), formatCount(predicted.macs), formatCount(measured.macs)],
    ['params', limit(constraints.maxParams, formatCount), formatCount(predicted.params), formatCount(measured.params)],
    [
      'model bytes',
      limit(constraints.maxModelBytes, formatCount),
      formatCount(predicted.modelBytes),
      formatCount(measured.modelBytes),
    ],
    [
      'peak memory bytes',
      limit(constraints.maxPeakMemoryBytes, formatCount),
      formatCount(predicted.peakMemoryBytes),
      '',
    ],
    [
      'top-1',
      limit(constraints.minTop1, formatPercent),
      formatPercent(predicted.predictedTop1),
      limit(measured.measuredTop1, formatPercent),
    ],
  ];
  const head = ['', 'constraint', 'predicted', latency === undefined ? 'measured' : `measured (${latency.statistic})`];
  return formatTable([head, ...rows]);
}

type Page = components['schemas']['SpecializationPage'];

export interface HistoryQuery {
  readonly limit?: number;
  readonly status?: Specialization['status'];
  readonly supernetId?: string;
  readonly hardwareId?: string;
  readonly minTop1?: number;
  readonly maxLatencyMs?: number;
  readonly maxMacs?: number;
  readonly archId?: string;
}

/** The API's query from the command's options; the server checks the values. */
export function historyQuery(options: Readonly<Record<string, unknown>>): HistoryQuery {
  const names = [
    'limit',
    'status',
    'supernetId',
    'hardwareId',
    'minTop1',
    'maxLatencyMs',
    'maxMacs',
    'archId',
  ] as const;
  return Object.fromEntries(names.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])));
}

/** `bespoke history` */
export async function historyCommand({ client }: Connection, terminal: Terminal, query: HistoryQuery): Promise<number> {
  // The list is also given as CSV; without an Accept of that it is this JSON.
  const page = unwrap(await client.GET('/v1/specializations', { params: { query } })) as Page;
  terminal.printJson(page);
  const rows = page.items.map((row) => [
    row.id,
    row.status,
    row.createdAt.slice(0, 19).replace('T', ' '),
    row.result?.measured.measuredTop1 === undefined ? '' : formatPercent(row.result.measured.measuredTop1),
    row.result?.measured.measuredLatency === undefined ? '' : formatMs(row.result.measured.measuredLatency.valueMs),
    row.result === null || row.result === undefined ? '' : formatCount(row.result.measured.macs),
  ]);
  terminal.print(formatTable([['id', 'status', 'created (UTC)', 'top-1', 'latency', 'MACs'], ...rows]));
  return EXIT.done;
}

/** `bespoke show ID` */
export async function showCommand({ client }: Connection, terminal: Terminal, id: string): Promise<number> {
  const row = unwrap(await client.GET('/v1/specializations/{id}', { params: { path: { id } } }));
  terminal.printJson(row);
  for (const notice of noticesOf(row.result?.checks ?? [])) terminal.print(notice);
  terminal.print(`${row.id}  ${row.status}  ${row.createdAt}`);
  if (row.problem !== null && row.problem !== undefined) terminal.print(`${row.problem.title}: ${row.problem.detail}`);
  const table = resultTable(row);
  if (table !== '') terminal.print(table);
  for (const remark of remarksOf(row)) terminal.print(remark);
  for (const check of row.result?.checks ?? [])
    terminal.print(`${check.outcome.padEnd(11)} ${check.id}: ${check.detail}`);
  return EXIT.done;
}

/** `bespoke cancel ID` */
export async function cancelCommand({ client }: Connection, terminal: Terminal, id: string): Promise<number> {
  const row = unwrap(await client.POST('/v1/specializations/{id}/cancel', { params: { path: { id } } }));
  terminal.printJson(row);
  terminal.print(`${row.id}  ${row.status}${row.status === 'running' ? ' (stopping)' : ''}`);
  return EXIT.done;
}
