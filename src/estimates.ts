import type { EstimatedArch, EstimateRequest, EstimateResult } from './api/ports.js';
import { BespokeError, type Problem, toProblem } from './common/errors.js';
import type { EngineClient } from './engine-client.js';
import type { LatencyModel } from './hardware/types.js';
import { assessFeasibility, type Feasibility } from './search/feasibility.js';
import { infeasible } from './search/infeasible.js';
import { archId } from './space/arch.js';
import type { CostTable } from './space/cost-table.js';
import type { Arch, SearchSpace } from './space/types.js';
import { latencyFactorOf, latencyNote } from './specialize/confidence.js';
import { describeArchs } from './specialize/describe.js';
import { exportedCosts } from './specialize/exported.js';
import { searchableResolutions, searchConstraints } from './specialize/feasible.js';
import type { SpecializationRequest } from './specialize/types.js';

/** The pure part of a supernet: enough to count, to predict latency and to prove infeasibility in this process. */
export interface Countable {
  readonly space: SearchSpace;
  readonly costs: CostTable;
  /** By hardware id. */
  readonly latencies: ReadonlyMap<string, LatencyModel>;
  readonly resolutions: readonly number[];
  readonly hasPredictor: boolean;
}

/** Architectures that a short search scores: enough to come within some tenths of a point of what is possible in about a tenth of a second. */
const PROBE_EVALUATIONS = 1_000;
/** By how much a request must ask for more than the most accurate network found before it is refused without a search of its own; fraction. */
const CEILING_SLACK = 0.005;
/** How long a POST waits to learn that accuracy, ms: the first one alone does, a tenth of a second where the engine is warm and idle. */
const CEILING_WAIT_MS = 1_000;
/** Architectures that a short search for the cheapest accurate one scores: there is one per limit. */
const NEAREST_EVALUATIONS = 500;
/** No limit, where there must be one for its bounds to be told, ms. */
const ANY_LATENCY_MS = 1e9;

/** A request for a short search with the limits of an estimate. */
function asSpecialization({
  supernetId,
  hardwareId,
  constraints,
  resolutions,
  confidence,
}: EstimateRequest): SpecializationRequest {
  return {
    supernetId,
    hardwareId,
    constraints,
    objective: 'accuracy',
    ...(resolutions === undefined ? {} : { resolutions }),
    seed: 1,
    search: { evaluations: PROBE_EVALUATIONS, ...(confidence === undefined ? {} : { confidence }) },
    verify: { latency: 'skip' },
    labels: {},
  };
}

/** Whether a request's limits on costs can be met. @throws BespokeError where they cannot be predicted or searched */
function assess(countable: Countable, request: SpecializationRequest): Feasibility {
  const { space, costs, latencies, resolutions } = countable;
  const latency = latencies.get(request.hardwareId);
  const known = [resolutions, ...(latency === undefined ? [] : [latency.profile.resolutions])];
  const searchable = searchableResolutions(space, known, request.resolutions);
  return assessFeasibility(space, searchConstraints(request, { costs, latency }), searchable);
}

/** The problem of a request that provably nothing fits, or that cannot be predicted; undefined where a search is worth it. */
export function refusalOf(plain: Countable, request: SpecializationRequest): Problem | undefined {
  const countable = { ...plain, costs: exportedCosts(plain.costs, plain.space, request.export) };
  try {
    const feasibility = assess(countable, request);
    if (feasibility.verdict !== 'infeasible') return undefined;
    const latency = countable.latencies.get(request.hardwareId);
    const limits = searchConstraints(request, { costs: countable.costs, latency });
    const { binding, nearestFeasible, smallestAlone } = feasibility;
    const problem = toProblem(infeasible(countable.space, limits, { binding, nearestFeasible }));
    const note = binding.includes('maxLatencyMs') ? latencyNote(request) : '';
    return { ...problem, detail: `${problem.detail}${note}`, smallestAlone };
  } catch (error) {
    if (error instanceof BespokeError) return toProblem(error);
    throw error;
  }
}

/** How accurate any network is that a request could ask for, limits or not, as a short search finds it. */
export type Ceilings = (request: SpecializationRequest) => Promise<number>;

/** Asks the engine once per supernet, hardware type and resolutions, and remembers. */
export function makeCeilings(engine: EngineClient): Ceilings {
  const known = new Map<string, Promise<number>>();
  return (request) => {
    const key = JSON.stringify([request.supernetId, request.hardwareId, request.resolutions ?? []]);
    const asked =
      known.get(key) ??
      engine
        .probe(
          { ...request, constraints: {}, objective: 'accuracy', search: { evaluations: PROBE_EVALUATIONS }, seed: 1 },
          new AbortController().signal,
        )
        .then(({ best }) => best?.predictedTop1 ?? Number.POSITIVE_INFINITY);
    known.set(key, asked);
    asked.catch(() => known.delete(key)); // the next request asks again
    return asked;
  };
}

/** The problem of a request for clearly more accuracy than any network has; undefined of others. */
export async function refuseAbove(ceilingOf: Ceilings, request: SpecializationRequest): Promise<Problem | undefined> {
  const { minTop1 } = request.constraints;
  if (minTop1 === undefined) return undefined;
  const waited = new Promise<number>((resolve) => {
    setTimeout(resolve, CEILING_WAIT_MS, Number.POSITIVE_INFINITY).unref();
  });
  // An engine that cannot tell refuses nothing: the job will say why.
  const ceiling = await Promise.race([ceilingOf(request), waited]).catch(() => Number.POSITIVE_INFINITY);
  return minTop1 > ceiling + CEILING_SLACK ? tooAccurate(request, minTop1, ceiling) : undefined;
}

function tooAccurate({ supernetId }: SpecializationRequest, minTop1: number, ceiling: number): Problem {
  return toProblem(
    new BespokeError(
      'infeasible-constraints',
      `No architecture of "${supernetId}" comes near minTop1 ${minTop1}, whatever it costs: the best that a search of ${PROBE_EVALUATIONS} found is predicted at ${ceiling}.`,
      { binding: ['minTop1'], nearestFeasible: { minTop1: ceiling } },
    ),
  );
}

type Deps = { readonly countable: Countable; readonly engine: EngineClient; readonly ceilingOf: Ceilings };

/** An architecture with its costs, and with what the engine predicts of it where there is a predictor. */
async function describe(
  { countable, engine }: Deps,
  request: EstimateRequest,
  arch: Arch,
  signal: AbortSignal,
): Promise<EstimatedArch> {
  const { supernetId, hardwareId } = request;
  const { space, costs, latencies } = countable;
  const latency = latencies.get(hardwareId);
  if (countable.hasPredictor) {
    const { candidates } = await engine.estimate({ supernetId, hardwareId, archs: [arch], constraints: {} }, signal);
    return withUpperLatency(candidates[0] as EstimatedArch, request, latency); // one arch, one candidate
  }
  const [figures] = describeArchs({ costs, latency }, [arch]);
  const described = { arch, archId: archId(space, arch), ...(figures as NonNullable<typeof figures>) }; // one arch, one description
  return withUpperLatency(described, request, latency);
}

/** Adds the bound that a limit on the latency is held against, where a confidence was asked for. */
function withUpperLatency(
  arch: EstimatedArch,
  request: EstimateRequest,
  latency: LatencyModel | undefined,
): EstimatedArch {
  const factor = latencyFactorOf(asSpecialization(request), latency);
  const { predictedLatencyMs: ms } = arch;
  return factor === 1 || ms === undefined ? arch : { ...arch, predictedLatencyUpperMs: factor * ms };
}

/**
 * Whether an estimate's limits can be met: limits on costs by exact bounds, with a network that meets them or a proof; a limit on the
 * accuracy by a short search, which can find a network and cannot prove that there is none.
 */
export async function estimateFeasibility(
  deps: Deps,
  request: EstimateRequest,
  signal: AbortSignal,
): Promise<NonNullable<EstimateResult['feasibility']>> {
  const { minTop1 } = request.constraints;
  const asked = asSpecialization(request);
  const { witness, closest, ...found } = assess(deps.countable, asked);
  const of = (arch: Arch): Promise<EstimatedArch> => describe(deps, request, arch, signal);
  if (closest !== undefined) return { ...found, closest: await of(closest) };
  if (minTop1 === undefined) return { ...found, ...(witness === undefined ? {} : { witness: await of(witness) }) };
  const { best, top1Shortfall } = await deps.engine.probe(asked, signal);
  const sure = (best?.predictedTop1 ?? Number.NEGATIVE_INFINITY) - top1Shortfall;
  if (best !== undefined && sure >= minTop1) return { ...found, verdict: 'feasible', witness: best };
  const isReachable = (await deps.ceilingOf(asked)) - top1Shortfall >= minTop1;
  const cheapest = isReachable ? await cheapestAccurate(deps.engine, asked, signal) : {};
  return {
    ...found,
    verdict: 'unknown',
    binding: [...Object.keys(cheapest), 'minTop1'],
    nearestFeasible: { ...cheapest, ...(best === undefined ? {} : { minTop1: sure }) },
    smallestAlone: {},
    ...(best === undefined ? {} : { closest: best }),
  };
}

/** Per limit on MACs and latency the smallest value found at which the accuracy is met, the others as asked; absent where none was found. */
async function cheapestAccurate(
  engine: EngineClient,
  asked: SpecializationRequest,
  signal: AbortSignal,
): Promise<Readonly<Record<string, number>>> {
  const { maxMacs, maxLatencyMs } = asked.constraints;
  const search = { ...asked.search, evaluations: NEAREST_EVALUATIONS };
  const cheapest: Record<string, number> = {};
  if (maxMacs !== undefined) {
    const { maxMacs: _, ...constraints } = asked.constraints;
    const { best } = await engine.probe({ ...asked, constraints, objective: 'macs', search }, signal);
    if (best !== undefined) cheapest.maxMacs = best.macs;
  }
  if (maxLatencyMs !== undefined) {
    const constraints = { ...asked.constraints, maxLatencyMs: ANY_LATENCY_MS };
    const { best } = await engine.probe({ ...asked, constraints, objective: 'latency', search }, signal);
    const latencyMs = best?.predictedLatencyUpperMs ?? best?.predictedLatencyMs;
    if (latencyMs !== undefined) cheapest.maxLatencyMs = latencyMs;
  }
  return cheapest;
}
