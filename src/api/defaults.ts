import { highestConfidence } from '../common/conformal.js';
import { BespokeError } from '../common/errors.js';
import type { components } from '../generated/openapi.js';
import { requestedExport } from '../specialize/exported.js';
import { noPredictor } from '../specialize/no-predictor.js';
import type { Constraints, SpecializationRequest } from '../specialize/types.js';
import type { Catalog, EstimateRequest, HardwareInfo, LatencyStatistic, SupernetInfo } from './ports.js';

export type CreateBody = components['schemas']['CreateSpecialization'];
export type EstimateBody = components['schemas']['CreateEstimate'];
type RequestedConstraints = components['schemas']['RequestedConstraints'];

const DEFAULT_HARDWARE = 'local-cpu';
const DEFAULT_STATISTIC: LatencyStatistic = 'p50';
const DEFAULT_SEED = 1;
/** Where the search of the bundled space has settled; ten times as many change little. */
const DEFAULT_EVALUATIONS = 50_000;
const FLOPS_PER_MAC = 2;

function refused(pointer: string, detail: string): BespokeError {
  const where = pointer === '' ? 'body' : `body ${pointer}`;
  return new BespokeError('invalid-request', `${where} ${detail}.`, { errors: [{ pointer, detail }] });
}

function quoted(ids: readonly { readonly id: string }[]): string {
  return ids.length === 0 ? 'there is none' : `known are ${ids.map(({ id }) => id).join(', ')}`;
}

/** The supernet with this id, or the only one. Throws `not-found`, `invalid-request` where the choice is open, `bundle-invalid` where none is loaded or the one with this id was refused. */
export function findSupernet(catalog: Catalog, id: string | undefined): SupernetInfo {
  const all = catalog.supernets();
  const [only] = all;
  if (id === undefined) {
    if (only === undefined)
      throw new BespokeError('bundle-invalid', 'No supernet is loaded; start the server with --models.');
    if (all.length === 1) return only;
    throw refused('/supernetId', `must be given as several are loaded: ${quoted(all)}`);
  }
  const found = all.find((each) => each.id === id);
  if (found !== undefined) return found;
  const refusal = catalog.refused().find((each) => each.id === id);
  if (refusal !== undefined) throw new BespokeError(refusal.problem.code, refusal.problem.detail);
  const detail = `names no loaded supernet: got "${id}", ${quoted(all)}`;
  throw new BespokeError('not-found', `supernetId ${detail}.`, { errors: [{ pointer: '/supernetId', detail }] });
}

/** The hardware type with this id. Throws `not-found`. */
export function findHardware(catalog: Catalog, id: string = DEFAULT_HARDWARE): HardwareInfo {
  const all = catalog.hardware();
  const found = all.find((each) => each.id === id);
  if (found !== undefined) return found;
  const detail = `names no hardware type: got "${id}", ${quoted(all)}`;
  throw new BespokeError('not-found', `hardwareId ${detail}.`, { errors: [{ pointer: '/hardwareId', detail }] });
}

/** The statistics that a hardware type can give of a space; none without a latency model. */
function statisticsOf({ latencyModels }: HardwareInfo, spaceId: string): readonly LatencyStatistic[] {
  return latencyModels.filter((model) => model.spaceId === spaceId).flatMap((model) => model.statistics);
}

/** Why a hardware type gives no latency of a space, and which others would. */
function noLatencyModel(catalog: Catalog, spaceId: string): string {
  const others = catalog.hardware().filter((each) => statisticsOf(each, spaceId).length > 0);
  const known =
    others.length === 0
      ? 'no hardware type has one'
      : `hardware types that have one: ${others.map(({ id }) => id).join(', ')}`;
  return `it has no latency model for the space ${spaceId}; ${known}`;
}

/** What latencies are asked for of. */
interface Asked {
  readonly hardware: HardwareInfo;
  readonly supernet: SupernetInfo;
  readonly catalog: Catalog;
}

/** The statistic that a latency limit speaks of. Throws `no-latency-data` where the hardware type cannot give it. */
function chooseStatistic(
  given: RequestedConstraints,
  { hardware, supernet, catalog }: Asked,
): LatencyStatistic | undefined {
  const { spaceId } = supernet;
  const offered = statisticsOf(hardware, spaceId);
  // What the hardware type gives, where that is not the usual one: imported tables state means.
  const usual = offered.includes(DEFAULT_STATISTIC) ? DEFAULT_STATISTIC : (offered[0] ?? DEFAULT_STATISTIC);
  const wanted = given.latencyStatistic ?? usual;
  if (offered.includes(wanted)) return wanted;
  if (given.latencyStatistic === undefined && given.maxLatencyMs === undefined) return undefined;
  const accepted = offered.length === 0 ? noLatencyModel(catalog, spaceId) : `it gives ${offered.join(', ')}`;
  const member = given.latencyStatistic === undefined ? 'maxLatencyMs' : 'latencyStatistic';
  const detail = `Hardware type ${hardware.id} cannot give the ${wanted} latency of ${supernet.id}: ${accepted}.`;
  throw new BespokeError('no-latency-data', detail, {
    errors: [{ pointer: `/constraints/${member}`, detail: accepted }],
  });
}

/** MACs are what everything counts; a limit in FLOPs is read as two per MAC. */
function fillConstraints(given: RequestedConstraints, asked: Asked): Constraints {
  const { maxFlops, latencyStatistic: _, ...rest } = given;
  const fromFlops = maxFlops === undefined ? Number.POSITIVE_INFINITY : Math.floor(maxFlops / FLOPS_PER_MAC);
  const maxMacs = Math.min(rest.maxMacs ?? Number.POSITIVE_INFINITY, fromFlops);
  const latencyStatistic = chooseStatistic(given, asked);
  return {
    ...rest,
    ...(Number.isFinite(maxMacs) ? { maxMacs } : {}),
    ...(latencyStatistic === undefined ? {} : { latencyStatistic }),
  };
}

function hasLimit(constraints: RequestedConstraints): boolean {
  return Object.keys(constraints).some((key) => key !== 'latencyStatistic');
}

function checkResolutions(resolutions: readonly number[], supernet: SupernetInfo): void {
  resolutions.forEach((resolution, index) => {
    if (supernet.resolutions.includes(resolution)) return;
    const accepted = supernet.resolutions.join(', ');
    throw refused(`/resolutions/${index}`, `must be searchable (${accepted}), got ${resolution}`);
  });
}

/** The architectures that a supernet's predictor was held against, by its card; none of an imported one. */
function heldOutOf({ figures }: SupernetInfo): number {
  const { predictor } = figures;
  const heldOut: unknown = typeof predictor === 'object' && predictor !== null ? Reflect.get(predictor, 'heldOut') : 0;
  return typeof heldOut === 'number' ? heldOut : 0;
}

/** An accuracy can be promised as surely as the predictor's held-out architectures allow; a latency is refused by its model. */
function checkConfidence({ search, constraints }: CreateBody | EstimateBody, supernet: SupernetInfo): void {
  const confidence = search?.confidence;
  if (confidence === undefined || constraints?.minTop1 === undefined) return;
  const heldOut = heldOutOf(supernet);
  const most = highestConfidence(heldOut);
  if (confidence <= most) return;
  const why =
    heldOut === 0
      ? 'nothing is known of its errors'
      : `${heldOut} held-out architectures allow up to ${most.toFixed(4)}`;
  throw refused(
    '/search/confidence',
    `is more than the accuracy predictor of ${supernet.id} can promise: ${why}, got ${confidence}`,
  );
}

/**
 * Fills in every default, once: inside, nothing is absent that has one.
 * @param body a body that keeps the contract
 * @throws `invalid-request`, `not-found`, `no-latency-data`, `no-predictor`
 */
export function fillRequest(body: CreateBody, catalog: Catalog): SpecializationRequest {
  const given = body.constraints ?? {};
  if (!hasLimit(given) && body.objective === undefined)
    throw refused(
      '/constraints',
      'must have at least one limit, unless an objective is given: maxLatencyMs, maxMacs, maxParams, maxModelBytes, maxPeakMemoryBytes or minTop1',
    );
  const supernet = findSupernet(catalog, body.supernetId);
  if (!supernet.hasPredictor) throw noPredictor(supernet.id);
  const hardware = findHardware(catalog, body.hardwareId);
  if (body.resolutions !== undefined) checkResolutions(body.resolutions, supernet);
  checkConfidence(body, supernet);
  const { maxSeconds, confidence } = body.search ?? {};
  const constraints = fillConstraints(given, { hardware, supernet, catalog });
  const objective = body.objective ?? 'accuracy';
  return {
    supernetId: supernet.id,
    hardwareId: hardware.id,
    constraints,
    objective,
    ...(body.resolutions === undefined ? {} : { resolutions: body.resolutions }),
    seed: body.seed ?? DEFAULT_SEED,
    search: {
      evaluations: body.search?.evaluations ?? DEFAULT_EVALUATIONS,
      ...(maxSeconds === undefined ? {} : { maxSeconds }),
      ...(confidence === undefined ? {} : { confidence }),
    },
    verify: { latency: body.verify?.latency ?? 'measured' },
    ...(body.export === undefined ? {} : { export: requestedExport(body.export, { constraints, objective }) }),
    labels: body.labels ?? {},
  };
}

/** The same for an estimate, which needs an architecture or a limit. */
export function fillEstimate(body: EstimateBody, catalog: Catalog): EstimateRequest {
  const archs = body.archs ?? [];
  const given = body.constraints ?? {};
  if (archs.length === 0 && !hasLimit(given)) throw refused('', 'must have at least one architecture or one limit');
  const supernet = findSupernet(catalog, body.supernetId);
  const isAccuracyAsked = archs.length > 0 || given.minTop1 !== undefined;
  if (isAccuracyAsked && !supernet.hasPredictor) throw noPredictor(supernet.id);
  const hardware = findHardware(catalog, body.hardwareId);
  const foreign = archs.findIndex((arch) => arch.spaceId !== supernet.spaceId);
  if (foreign >= 0) {
    const detail = `must be ${supernet.spaceId}, got ${archs[foreign]?.spaceId}`;
    const pointer = `/archs/${foreign}/spaceId`;
    throw new BespokeError('arch-out-of-space', `body ${pointer} ${detail}.`, { errors: [{ pointer, detail }] });
  }
  const { resolutions, search } = body;
  if (resolutions !== undefined) checkResolutions(resolutions, supernet);
  checkConfidence(body, supernet);
  const constraints = fillConstraints(given, { hardware, supernet, catalog });
  return {
    supernetId: supernet.id,
    hardwareId: hardware.id,
    archs,
    constraints: hasLimit(given) ? constraints : {},
    ...(resolutions === undefined ? {} : { resolutions }),
    ...(search?.confidence === undefined ? {} : { confidence: search.confidence }),
  };
}
