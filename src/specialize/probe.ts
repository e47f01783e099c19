import { BespokeError } from '../common/errors.js';
import { search } from '../search/search.js';
import type { Candidate } from '../search/types.js';
import { limitBounds } from './confidence.js';
import { withIntervals } from './describe.js';
import { noPredictor } from './no-predictor.js';
import { searchOptionsOf } from './search-options.js';
import type { Workbench } from './specialize.js';
import type { SpecializationRequest } from './types.js';

/** What a short search found. */
export interface Probed {
  /** The best architecture within the limits, for the objective `accuracy` whatever `minTop1` asks; absent where none was found. */
  readonly best?: Candidate;
  /** What the request's confidence takes off a predicted top-1; 0 without one. */
  readonly top1Shortfall: number;
  readonly evaluations: number;
}

/**
 * Searches for a moment, to tell what accuracy the limits allow (`minTop1` is left out then), or which is the cheapest that is accurate enough.
 * @param request its `search.evaluations` are what is spent
 * @throws BespokeError `no-predictor`, `no-latency-data` or `invalid-request`
 */
export async function probe(bench: Workbench, request: SpecializationRequest): Promise<Probed> {
  const { predictor, bundle, latency } = bench;
  if (predictor === undefined) throw noPredictor(bundle.id);
  const bounds = limitBounds(request, { predictor, latency });
  const { minTop1: _, ...constraints } = request.constraints;
  // The most accurate is looked for whatever it reaches; the cheapest, among those that are accurate enough.
  const asked = request.objective === 'accuracy' ? { ...request, constraints } : request;
  try {
    const options = searchOptionsOf({ ...bench, predictor, space: bundle.supernet.space }, asked);
    const { best, evaluations } = await search(options);
    const candidate = withIntervals({ predictor, latency }, best, bounds);
    return { best: candidate, top1Shortfall: bounds.top1Shortfall, evaluations };
  } catch (error) {
    if (!(error instanceof BespokeError) || error.code !== 'infeasible-constraints') throw error;
    return { top1Shortfall: bounds.top1Shortfall, evaluations: 0 };
  }
}
