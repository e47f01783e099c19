import { type Handler, sendJson } from './call.js';
import { type EstimateBody, fillEstimate, findHardware, findSupernet } from './defaults.js';
import type { ApiDeps } from './ports.js';

type Deps = Pick<ApiDeps, 'catalog'>;

/** GET /v1/supernets */
export function makeListSupernets({ catalog }: Deps): Handler {
  return ({ res }) => sendJson(res, { items: catalog.supernets(), refused: catalog.refused() });
}

/** GET /v1/supernets/{supernetId} */
export function makeGetSupernet({ catalog }: Deps): Handler {
  return ({ res, path }) => sendJson(res, findSupernet(catalog, path.supernetId));
}

/** GET /v1/hardware */
export function makeListHardware({ catalog }: Deps): Handler {
  return ({ res }) => sendJson(res, { items: catalog.hardware() });
}

/** GET /v1/hardware/{hardwareId} */
export function makeGetHardware({ catalog }: Deps): Handler {
  return ({ res, path }) => sendJson(res, findHardware(catalog, path.hardwareId));
}

/** POST /v1/estimates */
export function makeEstimate({ catalog }: Deps): Handler {
  return async ({ res, body, signal }) => {
    const request = fillEstimate(body as EstimateBody, catalog); // the body keeps the contract: validated before
    const { candidates, feasibility } = await catalog.estimate(request, signal);
    const { supernetId, hardwareId } = request;
    sendJson(res, { supernetId, hardwareId, candidates, feasibility: feasibility ?? null });
  };
}
