import { type Handler, sendJson } from './call.js';
import type { Contract } from './contract.js';
import { docsPage } from './docs-page.js';
import { homePage } from './home-page.js';
import { PAGE_CSP } from './html.js';
import type { Metrics } from './metrics.js';
import type { ApiDeps } from './ports.js';

/** Rows on the page at `/`. */
const LATEST = 10;
/** Seconds after which a server that starts is worth asking again. */
const RETRY_AFTER_SECONDS = 2;

/** GET /healthz */
export function makeHealth({ settings }: ApiDeps): Handler {
  return ({ res }) => sendJson(res.set('Cache-Control', 'no-store'), { status: 'ok', version: settings.version });
}

/** GET /readyz */
export function makeReady({ settings, queue, catalog }: ApiDeps): Handler {
  const answers = (check: () => Promise<boolean>): Promise<boolean> => check().catch(() => false);
  return async ({ res }) => {
    const [database, queueReady] = await Promise.all([
      answers(() => settings.isReady()),
      answers(() => queue.isReady()),
    ]);
    const supernet = catalog.supernets().length > 0;
    const ready = database && queueReady && supernet;
    if (!ready) res.status(503).set('Retry-After', String(RETRY_AFTER_SECONDS));
    sendJson(res.set('Cache-Control', 'no-store'), { ready, database, queue: queueReady, supernet });
  };
}

/** GET /metrics */
export function makeMetricsPage(metrics: Metrics): Handler {
  return async ({ res }) => {
    res.set('Content-Type', 'text/plain; version=0.0.4; charset=utf-8').send(await metrics.text());
  };
}

/** GET /openapi.yaml */
export function makeContractFile(contract: Contract): Handler {
  return ({ res }) => {
    res.type('application/yaml').send(contract.text);
  };
}

/** GET /docs; the page is made at its first use and kept. */
export function makeDocs(contract: Contract): Handler {
  let page: string | undefined;
  return ({ res }) => {
    page ??= docsPage(contract);
    res.set('Content-Security-Policy', PAGE_CSP).type('text/html').send(page);
  };
}

/** GET / */
export function makeHome({ specializations, catalog, settings }: ApiDeps): Handler {
  return async ({ res }) => {
    const { rows } = await specializations.list({}, { limit: LATEST });
    const page = homePage(catalog, rows, settings.version);
    res.set('Content-Security-Policy', PAGE_CSP).set('Cache-Control', 'no-store').type('text/html').send(page);
  };
}
