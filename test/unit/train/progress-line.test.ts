import { describe, expect, it } from 'vitest';
import { formatDuration, progressPrinter } from '../../../src/train/progress-line.js';
import type { WindowEvent } from '../../../src/train/train-events.js';

const windowAt = (elapsedMs: number): WindowEvent => ({
  kind: 'window',
  step: 50,
  steps: 200,
  phase: 'sandwich',
  images: 6400,
  imagesPerSecond: 321.4,
  etaMs: 3_720_000,
  elapsedMs,
  lr: 0.05,
  gradientNorm: 1,
  roles: { largest: { loss: 0.5, top1: 0.875, passMs: 100 } },
});

describe('progressPrinter', () => {
  it('draws a bar over itself on a terminal', () => {
    let text = '';
    const show = progressPrinter(
      (more) => (text += more),
      true,
      30_000,
      () => 200,
    );
    show(windowAt(1000));
    show(windowAt(2000));
    expect(text.split('\r\u001b[2K')).toHaveLength(3);
    expect(text).toContain('[======                  ] 25.0 % step 50/200 sandwich | 321 images/s, 1 h 02 min left');
    expect(text).toContain('largest 0.500 87.5 %');
    expect(text).not.toContain('\n');
  });

  it.each([200, 120, 100, 80, 60, 40, 20, 10, 1])('stays within one row of %d columns', (columns) => {
    let text = '';
    const long = { ...windowAt(1000), phase: 'elastic-kernel', step: 123_456, steps: 200_000 };
    const nets = { loss: 0.5, top1: 0.875, passMs: 100 };
    const event = { ...long, roles: { largest: nets, smallest: nets, random: nets } };
    progressPrinter(
      (more) => (text += more),
      true,
      30_000,
      () => columns,
    )(event);
    const row = text.replace('\r\u001b[2K', '');
    expect(row.length).toBeLessThan(Math.max(columns, 1)); // a full row would wrap on some terminals
    if (columns >= 40) expect(row).toMatch(/61\.7 %.*1 h 02 min left/);
    if (columns === 20) expect(row).toMatch(/^61\.7 %/);
  });

  it('clears the bar before an error, which others tell', () => {
    let text = '';
    const show = progressPrinter(
      (more) => (text += more),
      true,
      30_000,
      () => 80,
    );
    show(windowAt(1000));
    show({ kind: 'failed', step: 50, detail: 'no space' });
    expect(text.endsWith('\r\u001b[2K')).toBe(true);
    expect(text).not.toContain('no space');
  });

  it('prints lines elsewhere, windows only now and then', () => {
    const lines: string[] = [];
    const show = progressPrinter((line) => lines.push(line), false, 30_000);
    for (const ms of [1_000, 6_000, 31_500, 40_000]) show(windowAt(ms));
    show({ kind: 'validation', step: 50, images: 6400, batchStatisticsTop1: { largest: 0.9 } });
    expect(lines).toHaveLength(3);
    expect(lines[2]).toBe('held-out top-1 by batch statistics after 6400 images: largest 90.0 %\n');
  });

  it('writes durations for people', () => {
    const written = [9_400, 432_000, 7_500_000, Number.POSITIVE_INFINITY].map(formatDuration);
    expect(written).toEqual(['9 s', '7 min 12 s', '2 h 05 min', '?']);
  });
});
