import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ReportView } from '../../../src/report/model.js';
import { reportPage } from '../../../src/report/page.js';
import { openTags } from './markup.js';
import { sampleView } from './sample-view.js';

const HOSTILE = `</style><script>alert("1")</script><img src=x onerror='alert(2)'>&amp;`;

/** The sample with every free text replaced by a hostile one. */
function hostileView(): ReportView {
  const view = sampleView();
  return {
    ...view,
    id: HOSTILE,
    createdAt: HOSTILE,
    request: { ...view.request, labels: { [HOSTILE]: HOSTILE } },
    checks: view.checks.map((check) => ({ ...check, detail: HOSTILE })),
    layers: view.layers.map((layer) => ({ ...layer, name: HOSTILE + layer.name, op: HOSTILE })),
    artifact: { ...view.artifact, sha256: HOSTILE },
    supernet: { id: HOSTILE, sha256: HOSTILE, spaceId: HOSTILE },
    hardware: { ...view.hardware, id: HOSTILE, name: HOSTILE, statistic: HOSTILE, revision: HOSTILE },
    timings: { [HOSTILE]: 1 },
    versions: { [HOSTILE]: HOSTILE },
    input: { ...view.input, classNames: [HOSTILE] },
  };
}

describe('the report page', () => {
  it('closes every element it opens', async () => {
    expect(openTags(await reportPage(sampleView()))).toEqual([]);
  });

  it('escapes every text it is given, in the figures too', async () => {
    const page = await reportPage(hostileView());
    expect(page).not.toMatch(/<script|<img/i);
    expect(openTags(page)).toEqual([]);
    expect(page.match(/&lt;script&gt;alert/g)?.length).toBeGreaterThan(20);
  });

  it('asks for nothing over the network and runs nothing', async () => {
    const page = await reportPage(sampleView());
    expect(page).not.toMatch(/<(script|link|img|iframe|object|embed)\b|@import|url\(|\s(src|href|on\w+)=/i);
  });

  it('says what was delivered first, measured before predicted', async () => {
    const page = await reportPage(sampleView());
    expect(page).toContain('<h1>A network of 4.98 M MACs for this machine, 1 thread</h1>');
    expect(page).toContain(
      'Measured top-1 91.52 % (predicted 91.74 %); 0.566 ms measured latency (p50) against a limit of 0.6 ms. 6 of 6 checks passed.',
    );
  });

  it('says so where nothing was measured', async () => {
    const { measuredTop1: _top1, measuredLatency: _latency, ...measured } = sampleView().measured;
    const checks = sampleView().checks.map((check) => ({ ...check, outcome: 'notMeasured' as const }));
    const page = await reportPage({ ...sampleView(), measured, checks });
    expect(page).toContain(
      'Predicted top-1 91.74 % (not measured); 0.548 ms predicted latency against a limit of 0.6 ms. 0 of 6 checks passed, 6 not measured.',
    );
    expect(page).not.toContain('✓ passed');
  });

  it('begins with what nobody must overlook, and says nothing where there is nothing', async () => {
    const page = await reportPage({ ...sampleView(), notices: ['Not calibrated.', 'No accuracy <measured>.'] });
    const body = page.slice(page.indexOf('<main>') + '<main>'.length).trimStart();
    expect(
      body.startsWith(
        '<aside class="notices" role="note"><p>Not calibrated.</p><p>No accuracy &lt;measured&gt;.</p></aside>',
      ),
    ).toBe(true);
    expect(openTags(page)).toEqual([]);
    expect(await reportPage({ ...sampleView(), notices: [] })).not.toContain('<aside');
  });

  it('names every rejected candidate with the check that turned it down', async () => {
    const page = await reportPage(sampleView());
    expect(page).toContain('0f0f0f0f0f0f: predicted top-1 91.81 %');
    expect(page).toContain('p50 0.611 ms of 2,000 runs; at most 0.6 ms.');
    expect(await reportPage({ ...sampleView(), rejected: [] })).not.toContain('turned down');
  });

  it('has the values behind the front and the layers as tables', async () => {
    const view = sampleView();
    const page = await reportPage(view);
    for (const { archId } of view.paretoFront) expect(page).toContain(`<code>${archId.slice(0, 12)}</code>`);
    expect(page.match(/<\/code> \(delivered\)/g)).toHaveLength(1);
    for (const { name } of view.layers) expect(page).toContain(`<th scope="row">${name}</th>`);
  });

  it('says what a little more of each limit would buy, or why that is unknown', async () => {
    const asked = { limit: 3_000_000, relaxedLimit: 3_150_000, figure: 'predictedTop1', from: 0.9341 } as const;
    const page = await reportPage({
      ...sampleView(),
      moreBudget: [
        { ...asked, id: 'maxMacs', to: 0.9353 },
        { ...asked, id: 'maxParams', to: 0.9341 },
        { ...asked, id: 'maxModelBytes', why: 'the time limit left no further search' },
      ],
    });
    expect(page).toContain('<h2>What a little more would buy</h2>');
    expect(page).toMatch(
      /3,000,000<\/td><td class="number">3,150,000<\/td><td class="number">93\.41 %<\/td>.*93\.53 %/,
    );
    expect(page).toContain('nothing better was found');
    expect(page).toContain('unknown: the time limit left no further search');
    expect(openTags(page)).toEqual([]);
    expect(await reportPage(sampleView())).not.toContain('a little more would buy');
  });

  it('says how sure it is, that the search was cut short, and whose stored answer it is', async () => {
    const view = sampleView();
    const search = { ...view.request.search, confidence: 0.95 };
    const certain = { searchCutShort: true, storedAnswerOf: 'an-id', intervalConfidence: 0.9 };
    const page = await reportPage({ ...view, request: { ...view.request, search, objective: 'latency' }, ...certain });
    for (const text of ['95 % confidence', '<dd>90 %</dd>', 'cut short by the time limit', '<dd>an-id</dd>']) {
      expect(page).toContain(text);
    }
  });

  it('names few classes in the text and folds many away', async () => {
    const view = sampleView();
    expect(await reportPage(view)).toContain('Classes in order: T-shirt, Trouser');
    const classNames = Array.from({ length: 1000 }, (_, i) => `class ${i}`);
    const page = await reportPage({ ...view, input: { ...view.input, classNames } });
    expect(page).toMatch(/<details><summary>The 1,000 classes in order<\/summary>[^<]*<p[^>]*>class 0, .*class 999/);
    expect(openTags(page)).toEqual([]);
  });

  it('is the same text for the same report', async () => {
    expect(await reportPage(sampleView())).toBe(await reportPage(sampleView()));
  });
});

describe('the report room', () => {
  it('loads the plotting library only when something is drawn', () => {
    const dir = new URL('../../../src/report/', import.meta.url);
    for (const file of readdirSync(dir)) {
      expect(readFileSync(new URL(file, dir), 'utf8'), file).not.toMatch(/^import (?!type ).*from 'vega(-lite)?'/m);
    }
  });
});
