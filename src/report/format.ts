/** Numbers for people. One place decides digits and units, so that a figure reads the same in text, table and plot. */

const GROUPED = new Intl.NumberFormat('en-US');

/** A count with thousands separators: `1,234,567`. */
export function formatCount(value: number): string {
  return GROUPED.format(value);
}

/** A count to three digits with an SI prefix: `1.23 M`, `456 k`, `78`. */
export function formatShortCount(value: number): string {
  if (value >= 1e9) return `${threeDigits(value / 1e9)} G`;
  if (value >= 1e6) return `${threeDigits(value / 1e6)} M`;
  if (value >= 1e3) return `${threeDigits(value / 1e3)} k`;
  return threeDigits(value);
}

/** Bytes to three digits with a decimal prefix: `583 kB`. */
export function formatBytes(value: number): string {
  const text = formatShortCount(value);
  return value >= 1e3 ? `${text}B` : `${text} B`;
}

/** Milliseconds to three digits: `0.412 ms`. */
export function formatMs(value: number): string {
  return `${threeDigits(value)} ms`;
}

/** A fraction 0..1 as a percentage with two decimals: `91.25 %`. */
export function formatFraction(value: number): string {
  return `${(100 * value).toFixed(2)} %`;
}

/** Seconds with two decimals: `3.21 s`. */
export function formatSeconds(value: number): string {
  return `${value.toFixed(2)} s`;
}

function threeDigits(value: number): string {
  if (value === 0) return '0';
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(6, Math.max(0, 2 - magnitude)));
}
