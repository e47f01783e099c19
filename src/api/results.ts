import { BespokeError } from '../common/errors.js';
import type { Report } from '../specialize/types.js';
import { type Handler, sendJson } from './call.js';
import { frontCsv } from './csv.js';
import { requireRow } from './follow.js';
import { PAGE_CSP } from './html.js';
import type { ApiDeps } from './ports.js';
import { sendTagged } from './specializations.js';

type Deps = Pick<ApiDeps, 'specializations' | 'pages'>;

/** The report, `not-found` for an unknown id, `conflict` for a specialization that did not succeed (yet). */
async function requireReport(store: Deps['specializations'], id: string): Promise<Report> {
  const report = await store.report(id);
  if (report !== undefined) return report;
  const { status } = await requireRow(store, id);
  const detail = `Specialization ${id} is ${status}; only a succeeded one has a report, a front and a model.`;
  throw new BespokeError('conflict', detail);
}

/** GET /v1/specializations/{id}/report */
export function makeReport({ specializations, pages }: Deps): Handler {
  return async (call) => {
    const report = await requireReport(specializations, String(call.path.id));
    if (call.accepted !== 'text/html') return sendTagged(call, JSON.stringify(report));
    call.res.set('Content-Security-Policy', PAGE_CSP);
    sendTagged(call, await pages.reportHtml(report));
  };
}

/** GET /v1/specializations/{id}/front */
export function makeFront({ specializations, pages }: Deps): Handler {
  return async ({ res, path, accepted }) => {
    const report = await requireReport(specializations, String(path.id));
    if (accepted === 'text/csv') res.type('text/csv').send(frontCsv(report.paretoFront));
    else if (accepted === 'image/svg+xml') {
      const plot = await pages.frontSvg(report);
      res.set('Content-Security-Policy', PAGE_CSP).type('image/svg+xml').send(plot);
    } else {
      const { id, delivered, paretoFront } = report;
      sendJson(res, { specializationId: id, deliveredArchId: delivered.archId, candidates: paretoFront });
    }
  };
}

/** GET /v1/specializations/{id}/model.onnx */
export function makeModelRedirect({ specializations }: Deps): Handler {
  return async ({ res, path }) => {
    const id = String(path.id);
    const row = await requireRow(specializations, id);
    if (row.result === null)
      throw new BespokeError('conflict', `Specialization ${id} is ${row.status}; only a succeeded one has a model.`);
    res.status(303).location(`/v1/models/${row.result.artifact.sha256}.onnx`).end();
  };
}
