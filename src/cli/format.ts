/** Figures as people read them. */
export const formatCount = (n: number): string => n.toLocaleString('en-US');
export const formatPercent = (fraction: number): string => `${(fraction * 100).toFixed(2)} %`;
export const formatMs = (ms: number): string => `${ms.toFixed(3)} ms`;

/** A plain text table: the first row is the head, columns padded to their widest cell, numbers to the right. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  const [head = [], ...body] = rows;
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...body.map(line)].join('\n');
}
