import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatFraction, formatMs, formatShortCount } from '../../../src/report/format.js';
import { html, trusted } from '../../../src/report/html.js';
import type { InputView } from '../../../src/report/model.js';
import { javascriptSnippet, pythonSnippet } from '../../../src/report/snippets.js';
import { verdictRows } from '../../../src/report/verdicts.js';
import { sampleView } from './sample-view.js';

const RGB: InputView = {
  channels: 3,
  channelOrder: 'rgb',
  range: [0, 1],
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

describe('numbers for people', () => {
  it.each([
    [formatCount(1_234_567), '1,234,567'],
    [formatShortCount(1_234_567), '1.23 M'],
    [formatShortCount(78), '78.0'],
    [formatShortCount(0), '0'],
    [formatBytes(661_402), '661 kB'],
    [formatBytes(12), '12.0 B'],
    [formatMs(0.56649), '0.566 ms'],
    [formatMs(1234.4), '1234 ms'],
    [formatFraction(0.91525), '91.53 %'],
  ])('%s', (given, expected) => {
    expect(given).toBe(expected);
  });
});

describe('html', () => {
  it('escapes values and keeps markup that is safe', () => {
    expect(html`<p title="${`"'<>&`}">${[trusted('<b>x</b>')]}${3}</p>`.markup).toBe(
      '<p title="&quot;&#39;&lt;&gt;&amp;"><b>x</b>3</p>',
    );
  });
});

describe('verdicts', () => {
  it('lays limit, prediction, measurement and outcome side by side', () => {
    const [top1, latency, macs, params] = verdictRows(sampleView());
    expect(top1).toEqual({
      figure: 'Top-1',
      limit: '≥ 90.50 %',
      predicted: '91.74 % (91.31–92.17 %)',
      measured: '91.52 % on 2,500 images',
      verdict: 'passed',
    });
    expect(latency?.measured).toBe('0.566 ms (0.561–0.573 ms), 2,000 runs');
    expect(macs).toMatchObject({ limit: '≤ 6,000,000', verdict: 'passed' });
    expect(params).toMatchObject({ limit: '', verdict: 'notLimited' });
  });

  it('shows the bounds that limits were held against beside the predictions', () => {
    const view = sampleView();
    const delivered = { ...view.delivered, predictedTop1Lower: 0.912, predictedLatencyUpperMs: 0.5904 };
    const request = { ...view.request, search: { ...view.request.search, confidence: 0.975 } };
    const [top1, latency, macs] = verdictRows({ ...view, delivered, request });
    expect(top1?.predicted).toBe('91.74 % (91.31–92.17 %); at least 91.20 % with 97.5 % confidence');
    expect(latency?.predicted).toMatch(/ms\); at most 0\.590 ms with 97\.5 % confidence$/);
    expect(macs?.predicted).not.toContain('confidence');
  });

  it('shows a limit without a check as not measured', () => {
    const [top1] = verdictRows({ ...sampleView(), checks: [] });
    expect(top1?.verdict).toBe('notMeasured');
  });
});

describe('snippets', () => {
  it('normalize as (pixel scaled to the range - mean) / std, planes first', async () => {
    const view = {
      input: RGB,
      delivered: { ...sampleView().delivered, arch: { ...sampleView().delivered.arch, resolution: 2 } },
    };
    const source = javascriptSnippet(view)
      .replace(/^import.*$/m, '')
      .replace('export ', '')
      .replace(/^const session.*$/ms, '');
    const fed: { data: Float32Array; dims: number[] }[] = [];
    const ort = {
      Tensor: class {
        constructor(_type: string, data: Float32Array, dims: number[]) {
          fed.push({ data, dims });
        }
      },
    };
    const session = { run: async () => ({ logits: { data: [0.1, 0.7, 0.2] } }) };
    const pixels = Uint8Array.from({ length: 12 }, (_, i) => 20 * i);
    const classify = new Function('ort', `${source}; return classify;`)(ort);
    expect(await classify(session, pixels)).toBe(1);
    expect(fed[0]?.dims).toEqual([1, 3, 2, 2]);
    const greenOfThirdPixel = (20 * 7) / 255; // pixel 2, channel 1 -> byte 2 * 3 + 1
    expect(fed[0]?.data[1 * 4 + 2]).toBeCloseTo((greenOfThirdPixel - 0.456) / 0.224, 6);
  });

  it('scale to other ranges', () => {
    const view = sampleView();
    const withRange = (range: readonly [number, number]): string =>
      pythonSnippet({ ...view, input: { ...RGB, range } });
    expect(withRange([0, 255])).toContain('x = (pixels - mean)');
    expect(withRange([-1, 1])).toContain('x = ((pixels / 255 * 2 + -1) - mean)');
  });

  const python = spawnSync('python3', ['--version']).status === 0;
  it.skipIf(!python)('are valid Python (needs python3)', () => {
    const parsed = spawnSync('python3', ['-c', 'import ast, sys; ast.parse(sys.stdin.read())'], {
      input: pythonSnippet(sampleView()),
      encoding: 'utf8',
    });
    expect(parsed.stderr).toBe('');
    expect(parsed.status).toBe(0);
  });
});
