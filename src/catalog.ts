import type { Catalog } from './api/ports.js';
import { BespokeError } from './common/errors.js';
import type { EngineCatalog, EngineClient } from './engine-client.js';
import { type Countable, estimateFeasibility, makeCeilings, refusalOf, refuseAbove } from './estimates.js';
import { makeLatencyModel } from './hardware/latency-model.js';
import { parseProfile } from './hardware/profile-file.js';
import { makeCostTable } from './space/cost-table.js';
import { parseSpace } from './space/parse-space.js';

/** @throws BespokeError `bundle-invalid` with every refused bundle, if none at all was loaded */
export function requireSupernet({ supernets, refused }: EngineCatalog, modelDirs: readonly string[]): void {
  if (supernets.length > 0) return;
  const bundles = refused.filter(({ kind }) => kind === 'bundle');
  const why = bundles.map(({ problem }) => problem.detail).join('; ');
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
      const { resolutions, hasPredictor } = info;
      return [info.id, { space, latencies, costs: makeCostTable(space), resolutions, hasPredictor }];
    }),
  );
  const ceilingOf = makeCeilings(engine);
  return {
    supernets: () => catalog.supernets,
    refused: () => [
      ...catalog.refused.filter(({ kind }) => kind === 'bundle').map(({ id, problem }) => ({ id, problem })),
      ...[...engine.broken()].map(([id, problem]) => ({ id, problem })),
    ],
    hardware: () => catalog.hardware,
    checkFeasible: async (request) => {
      const countable = countables.get(request.supernetId);
      return countable === undefined ? undefined : (refusalOf(countable, request) ?? refuseAbove(ceilingOf, request));
    },
    estimate: async (request, signal) => {
      const countable = countables.get(request.supernetId);
      // Without architectures nothing is asked of the engine, which may be busy.
      const { candidates } = request.archs.length === 0 ? { candidates: [] } : await engine.estimate(request, signal);
      if (countable === undefined || Object.keys(request.constraints).length === 0) return { candidates };
      return { candidates, feasibility: await estimateFeasibility({ countable, engine, ceilingOf }, request, signal) };
    },
  };
}
