import type { Catalog, EstimateResult } from './api/ports.js';
import { BespokeError, type Problem, toProblem } from './common/errors.js';
import type { EngineCatalog, EngineClient } from './engine-client.js';
import { makeLatencyModel } from './hardware/latency-model.js';
import { parseProfile } from './hardware/profile-file.js';
import type { LatencyModel } from './hardware/types.js';
import { checkFeasibleFast, infeasible } from './search/infeasible.js';
import { type CostTable, makeCostTable } from './space/cost-table.js';
import { parseSpace } from './space/parse-space.js';
import type { SearchSpace } from './space/types.js';
import { searchableResolutions, searchConstraints } from './specialize/feasible.js';
import type { SpecializationRequest } from './specialize/types.js';

/** The pure part of a supernet: enough to count, to predict latency and to prove infeasibility in this process. */
interface Countable {
  readonly space: SearchSpace;
  readonly costs: CostTable;
  /** By hardware id. */
  readonly latencies: ReadonlyMap<string, LatencyModel>;
  readonly resolutions: readonly number[];
}

/** @throws BespokeError `bundle-invalid` with every refusal, if no bundle at all was loaded */
export function requireSupernet({ supernets, refused }: EngineCatalog, modelDirs: readonly string[]): void {
  if (supernets.length > 0) return;
  const why = refused.map(({ problem }) => problem.detail).join('; ');
  throw new BespokeError(
    'bundle-invalid',
    `no supernet bundle could be loaded from ${modelDirs.join(', ')}${why === '' ? '' : `: ${why}`}`,
  );
}

/** The API's view of what is served; exact bounds are arithmetic and answered here, predictions come from the engine. */
export function makeCatalog(catalog: EngineCatalog, engine: EngineClient): Catalog {
  const profiles = catalog.profiles.map((profile) => parseProfile(JSON.stringify(profile), 'the engine'));
  const countables = new Map(
    catalog.supernets.map((info): [string, Countable] => {
      const space = parseSpace(info.space, info.id);
      const latencies = new Map(
        profiles
          .filter(({ spaceId }) => spaceId === space.id)
          .map((profile) => [profile.hardware.id, makeLatencyModel(space, profile)]),
      );
      return [info.id, { space, latencies, costs: makeCostTable(space), resolutions: info.resolutions }];
    }),
  );
  const boundsOf = (request: SpecializationRequest): Problem | undefined => {
    const countable = countables.get(request.supernetId);
    if (countable === undefined) return undefined;
    const latency = countable.latencies.get(request.hardwareId);
    try {
      const known = [countable.resolutions, ...(latency === undefined ? [] : [latency.profile.resolutions])];
      const resolutions = searchableResolutions(countable.space, known, request.resolutions);
      const limits = searchConstraints(request, { costs: countable.costs, latency });
      const report = checkFeasibleFast(countable.space, limits, resolutions);
      return report === undefined ? undefined : toProblem(infeasible(countable.space, limits, report));
    } catch (error) {
      if (error instanceof BespokeError) return toProblem(error);
      throw error;
    }
  };
  return {
    supernets: () => catalog.supernets,
    hardware: () => catalog.hardware,
    checkFeasible: async (request) => boundsOf(request),
    estimate: async (request, signal) => {
      const { candidates } = await engine.estimate(request, signal);
      if (Object.keys(request.constraints).length === 0) return { candidates };
      return { candidates, feasibility: feasibilityOf(boundsOf(asSpecialization(request))) };
    },
  };
}

const asSpecialization = ({
  supernetId,
  hardwareId,
  constraints,
}: Parameters<Catalog['estimate']>[0]): SpecializationRequest => ({
  supernetId,
  hardwareId,
  constraints,
  objective: 'accuracy',
  seed: 1,
  search: { evaluations: 1000 },
  verify: { latency: 'skip' },
  labels: {},
});

function feasibilityOf(problem: Problem | undefined): NonNullable<EstimateResult['feasibility']> {
  if (problem === undefined) return { verdict: 'unknown', binding: [], nearestFeasible: {} };
  if (problem.code !== 'infeasible-constraints') throw new BespokeError(problem.code, problem.detail, problem);
  return { verdict: 'infeasible', binding: problem.binding ?? [], nearestFeasible: problem.nearestFeasible ?? {} };
}
