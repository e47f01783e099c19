import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import { BespokeError } from '../common/errors.js';
import { checkContentType, contextOf, type Handler, handle } from './call.js';
import { makeEstimate, makeGetHardware, makeGetSupernet, makeListHardware, makeListSupernets } from './catalog.js';
import { type Contract, loadContract, type Operation, type OperationId } from './contract.js';
import { makeEvents } from './events.js';
import { makeWatches } from './follow.js';
import { type Metrics, makeMetrics } from './metrics.js';
import { makeModel } from './models.js';
import type { ApiDeps } from './ports.js';
import { sendError } from './problem.js';
import { makeFront, makeModelRedirect, makeReport } from './results.js';
import { makeContractFile, makeDocs, makeHealth, makeHome, makeMetricsPage, makeReady } from './service.js';
import { makeCancel, makeCreate, makeDelete, makeGet, makeList } from './specializations.js';
import { makeValidator } from './validate.js';

/** Largest body, bytes. */
const MAX_BODY_BYTES = 2 ** 20;
const NANOSECONDS_PER_SECOND = 1e9;

/** A handler per operation of the contract; the compiler refuses a missing and an unknown one. */
function makeHandlers(deps: ApiDeps, contract: Contract, metrics: Metrics): Readonly<Record<OperationId, Handler>> {
  const model = makeModel(deps);
  const watches = makeWatches();
  return {
    home: makeHome(deps),
    createSpecialization: makeCreate(deps, watches),
    listSpecializations: makeList(deps),
    getSpecialization: makeGet(deps),
    deleteSpecialization: makeDelete(deps),
    cancelSpecialization: makeCancel(deps, watches),
    streamSpecializationEvents: makeEvents(deps, watches),
    getReport: makeReport(deps),
    getFront: makeFront(deps),
    getSpecializationModel: makeModelRedirect(deps),
    getModel: model,
    headModel: model,
    listSupernets: makeListSupernets(deps),
    getSupernet: makeGetSupernet(deps),
    listHardware: makeListHardware(deps),
    getHardware: makeGetHardware(deps),
    createEstimate: makeEstimate(deps),
    healthz: makeHealth(deps),
    readyz: makeReady(deps),
    metrics: makeMetricsPage(metrics),
    contract: makeContractFile(contract),
    docs: makeDocs(contract),
  };
}

const expressPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');

/** Methods that a path takes; GET answers HEAD too. */
function allowedMethods(operations: readonly Operation[]): string {
  const methods = operations.map(({ method }) => method.toUpperCase());
  return [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))].join(', ');
}

/** Gives every request its id and, when it is answered, its log line and its duration. */
function observe(deps: ApiDeps, metrics: Metrics) {
  return (req: Request, res: Response, next: NextFunction): void => {
    const started = process.hrtime.bigint();
    const { requestId, log } = contextOf(res, deps.settings.log);
    res.set('X-Request-Id', requestId);
    res.once('close', () => {
      const seconds = Number(process.hrtime.bigint() - started) / NANOSECONDS_PER_SECOND;
      const route = typeof req.route?.path === 'string' ? req.route.path : 'none';
      const { method } = req;
      metrics.observe({ method, route, status: res.statusCode }, seconds);
      log.info(
        { method, path: req.path.slice(0, 512), route, status: res.statusCode, seconds, whole: res.writableFinished },
        'answered',
      );
    });
    next();
  };
}

function installOperations(app: Express, deps: ApiDeps, contract: Contract, metrics: Metrics): void {
  const handlers = makeHandlers(deps, contract, metrics);
  const validator = makeValidator(contract);
  // A proxy's or client's compressed body could unfold to any size: it is refused.
  const readBody = express.json({ limit: MAX_BODY_BYTES, inflate: false, strict: false, type: () => true });
  for (const operation of contract.operations) {
    const handler = handlers[operation.id];
    const answer = (req: Request, res: Response): Promise<void> =>
      handle(operation, { validator, handler, context: contextOf(res, deps.settings.log) }, req, res);
    const declared = (req: Request, _res: Response, next: NextFunction): void => {
      checkContentType(req);
      next();
    };
    const path = expressPath(operation.path);
    if (operation.body === undefined) app[operation.method](path, answer);
    else app[operation.method](path, declared, readBody, answer);
  }
  for (const path of new Set(contract.operations.map((operation) => operation.path))) {
    const allow = allowedMethods(contract.operations.filter((operation) => operation.path === path));
    app.all(expressPath(path), (req, res) => {
      res.set('Allow', allow);
      throw new BespokeError('method-not-allowed', `This path takes ${allow}, got ${req.method}.`);
    });
  }
}

/**
 * The HTTP API over its ports: routing and validation are read from openapi.yaml, handlers call the ports, errors become problems.
 * Nothing heavy is loaded and nothing is started here; `makeServer` listens.
 */
export function makeApp(deps: ApiDeps): Express {
  const contract = loadContract();
  const metrics = makeMetrics(deps);
  const app = express();
  app.enable('strict routing');
  app.enable('case sensitive routing');
  app.disable('etag'); // tags are set where a representation has one
  app.use(observe(deps, metrics));
  app.use(
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
      },
      strictTransportSecurity: false, // the server speaks plain HTTP; a proxy that adds TLS adds this
    }),
  );
  installOperations(app, deps, contract, metrics);
  app.use((req: Request) => {
    throw new BespokeError('not-found', `There is nothing at ${req.path.slice(0, 200)}; see /docs.`);
  });
  app.use((error: unknown, _req: Request, res: Response, _next: NextFunction) =>
    sendError(res, error, contextOf(res, deps.settings.log)),
  );
  return app;
}
