import type { EstimatedArch, EstimateRequest, EstimateResult, FeasibilityInfo } from './api/ports.js';
import { BespokeError, type Problem, toProblem } from './common/errors.js';
import type { EngineClient } from './engine-client.js';
import type { LatencyModel } from './hardware/types.js';
import { assessFeasibility, type Feasibility } from './search/feasibility.js';
import { infeasible } from './search/infeasible.js';
import { archId } from './space/arch.js';
import type { CostTable } from './space/cost-table.js';
import type { Arch, SearchSpace } from './space/types.js';
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
/** How long a POST waits to learn that accuracy, ms: a busy engine answers the next one. */
const CEILING_WAIT_MS = 150;

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
    return { ...problem, smallestAlone };
  } catch (error) {
    if (error instanceof BespokeError) return toProblem(error);
    throw error;
  }
}

/**
 * Remembers per supernet and resolutions how accurate any network is, limits or not, by a short search of the engine; a request for
 * clearly more is refused at once.
 */
export function makeCeilings(engine: EngineClient): (request: SpecializationRequest) => Promise<Problem | undefined> {
  const known = new Map<string, Promise<number>>();
  const ceilingOf = (request: SpecializationRequest): Promise<number> => {
    const key = JSON.stringify([request.supernetId, request.hardwareId, request.resolutions ?? []]);
    const asked =
      known.get(key) ??
      engine
        .probe(
          { ...request, constraints: {}, search: { evaluations: PROBE_EVALUATIONS }, seed: 1 },
          new AbortController().signal,
        )
        .then(({ best }) => best?.predictedTop1 ?? Number.POSITIVE_INFINITY);
    known.set(key, asked);
    asked.catch(() => known.delete(key)); // the next request asks again
    return asked;
  };
  return async (request) => {
    const { minTop1 } = request.constraints;
    if (minTop1 === undefined) return undefined;
    const waited = new Promise<number>((resolve) => {
      setTimeout(resolve, CEILING_WAIT_MS, Number.POSITIVE_INFINITY).unref();
    });
    // An engine that cannot tell refuses nothing: the job will say why.
    const ceiling = await Promise.race([ceilingOf(request), waited]).catch(() => Number.POSITIVE_INFINITY);
    return minTop1 > ceiling + CEILING_SLACK ? tooAccurate(request, minTop1, ceiling) : undefined;
  };
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

type Deps = { readonly countable: Countable; readonly engine: EngineClient };

/** An architecture with its costs, and with what the engine predicts of it where there is a predictor. */
async function describe(
  { countable, engine }: Deps,
  { supernetId, hardwareId }: EstimateRequest,
  arch: Arch,
  signal: AbortSignal,
): Promise<EstimatedArch> {
  if (countable.hasPredictor) {
    const { candidates } = await engine.estimate({ supernetId, hardwareId, archs: [arch], constraints: {} }, signal);
    return candidates[0] as EstimatedArch; // one arch, one candidate
  }
  const { space, costs, latencies } = countable;
  const [figures] = describeArchs({ costs, latency: latencies.get(hardwareId) }, [arch]);
  return { arch, archId: archId(space, arch), ...(figures as NonNullable<typeof figures>) }; // one arch, one description
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
  return byAccuracy(found, minTop1, best, top1Shortfall);
}

function byAccuracy(
  found: Omit<FeasibilityInfo, 'witness' | 'closest'>,
  minTop1: number,
  best: EstimatedArch | undefined,
  shortfall: number,
): FeasibilityInfo {
  const sure = (best?.predictedTop1 ?? Number.NEGATIVE_INFINITY) - shortfall;
  if (best !== undefined && sure >= minTop1) return { ...found, verdict: 'feasible', witness: best };
  const nearest = best === undefined ? {} : { minTop1: sure };
  return {
    ...found,
    verdict: 'unknown',
    binding: ['minTop1'],
    nearestFeasible: nearest,
    smallestAlone: {},
    ...(best === undefined ? {} : { closest: best }),
  };
}
