import type { SpecializationRow } from '../specialize/types.js';
import type { Candidate } from './ports.js';

type Cell = string | number | null | undefined;

/** RFC 4180; a text that a spreadsheet would take for a formula gets a leading apostrophe. */
function cell(value: Cell): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function table(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return `${[columns, ...rows].map((row) => row.map(cell).join(',')).join('\r\n')}\r\n`;
}

const HISTORY_COLUMNS = [
  ...['id', 'status', 'createdAt', 'finishedAt', 'supernetId', 'hardwareId', 'archId', 'predictedTop1', 'measuredTop1'],
  ...['predictedLatencyMs', 'measuredLatencyMs', 'latencyStatistic', 'macs', 'params', 'modelBytes', 'peakMemoryBytes'],
  ...['sha256', 'problemCode', 'labels'],
];

/** The history as a table, a line per specialization; figures are empty where there are none. */
export function historyCsv(rows: readonly SpecializationRow[]): string {
  const lines = rows.map((row): readonly Cell[] => {
    const { request, result } = row;
    const measured = result?.measured;
    const predicted = result?.predicted;
    const labels = Object.entries(request.labels).map(([key, value]) => `${key}=${value}`);
    return [
      ...[row.id, row.status, row.createdAt, row.finishedAt, request.supernetId, request.hardwareId, result?.archId],
      ...[predicted?.predictedTop1, measured?.measuredTop1, predicted?.predictedLatencyMs],
      ...[measured?.measuredLatency?.valueMs, request.constraints.latencyStatistic, measured?.macs, measured?.params],
      ...[
        measured?.modelBytes,
        measured?.peakMemoryBytes,
        result?.artifact.sha256,
        row.problem?.code,
        labels.join(' '),
      ],
    ];
  });
  return table(HISTORY_COLUMNS, lines);
}

const FRONT_COLUMNS = [
  ...[
    'archId',
    'predictedTop1',
    'predictedTop1Low',
    'predictedTop1High',
    'predictedLatencyMs',
    'predictedLatencyLowMs',
  ],
  ...['predictedLatencyHighMs', 'macs', 'params', 'modelBytes', 'peakMemoryBytes'],
  ...['resolution', 'depths', 'kernelSizes', 'expandRatios'],
];

/** A Pareto front as a table, a line per candidate; lists inside a cell are separated by spaces. */
export function frontCsv(candidates: readonly Candidate[]): string {
  const lines = candidates.map((each): readonly Cell[] => [
    ...[each.archId, each.predictedTop1, each.predictedTop1Interval?.low, each.predictedTop1Interval?.high],
    ...[each.predictedLatencyMs, each.predictedLatencyIntervalMs?.low, each.predictedLatencyIntervalMs?.high],
    ...[each.macs, each.params, each.modelBytes, each.peakMemoryBytes, each.arch.resolution],
    ...[each.arch.depths.join(' '), each.arch.kernelSizes.join(' '), each.arch.expandRatios.join(' ')],
  ]);
  return table(FRONT_COLUMNS, lines);
}
