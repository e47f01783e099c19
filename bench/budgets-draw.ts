import { BespokeError } from '../src/common/errors.js';
import type { Rng } from '../src/common/rng.js';
import type { LatencyModel } from '../src/hardware/types.js';
import { checkFeasibleFast } from '../src/search/infeasible.js';
import { maxArch, minArch } from '../src/space/arch.js';
import type { CostTable } from '../src/space/cost-table.js';
import type { SearchSpace } from '../src/space/types.js';
import { searchConstraints } from '../src/specialize/feasible.js';
import type { Constraints } from '../src/specialize/types.js';

/** What a budget is drawn from: the ranges of the space's costs, and of this machine's predicted latency. */
export interface BudgetSource {
  readonly space: SearchSpace;
  readonly costs: CostTable;
  readonly latency: LatencyModel;
}

const LIMITS = ['maxLatencyMs', 'maxMacs', 'maxParams', 'maxModelBytes', 'maxPeakMemoryBytes'] as const;
type Limit = (typeof LIMITS)[number];

const MAX_TRIES = 1000;
const SIGNIFICANT_DIGITS = 4;

/** Cost of the smallest and of the largest sub-network. */
function rangeOf({ space, costs, latency }: BudgetSource, limit: Limit): readonly [number, number] {
  const ends = [minArch(space), maxArch(space)];
  const cost = {
    maxLatencyMs: latency.predict,
    maxMacs: costs.macs,
    maxParams: costs.params,
    maxModelBytes: costs.modelBytes,
    maxPeakMemoryBytes: costs.peakMemoryBytes,
  }[limit];
  const [low = Number.NaN, high = Number.NaN] = cost(ends);
  return [low, high];
}

/** Above 1: what a predicted latency must leave free so that nine of ten held-out networks would keep it. */
const headroom = ({ latency }: BudgetSource): number => 1 + (latency.profile.holdout?.p90Percent ?? 0) / 100;

/**
 * A budget counts as feasible where some architecture keeps it by exact counts, and by predicted latency plus the latency model's own
 * 90th percentile of error: a limit below what the machine's smallest network takes cannot be asked of any search.
 */
function isFeasible(source: BudgetSource, constraints: Constraints): boolean {
  const { space } = source;
  const { maxLatencyMs } = constraints;
  const tightened = {
    ...constraints,
    ...(maxLatencyMs === undefined ? {} : { maxLatencyMs: maxLatencyMs / headroom(source) }),
  };
  const request = {
    supernetId: '',
    hardwareId: source.latency.profile.hardware.id,
    constraints: tightened,
    objective: 'accuracy',
    seed: 0,
    search: { evaluations: 1 },
    verify: { latency: 'measured' },
    labels: {},
  } as const;
  return checkFeasibleFast(space, searchConstraints(request, source), space.resolutions) === undefined;
}

/** A random non-empty subset of the limits, each value uniform between the smallest's and the largest's cost. */
function drawOnce(source: BudgetSource, rng: Rng): Constraints {
  const chosen = LIMITS.filter(() => rng.chance(0.5));
  const entries = (chosen.length === 0 ? [rng.pick(LIMITS)] : chosen).map((limit) => {
    const [low, high] = rangeOf(source, limit);
    const value = low + rng.next() * (high - low);
    return [limit, limit === 'maxLatencyMs' ? Number(value.toPrecision(SIGNIFICANT_DIGITS)) : Math.ceil(value)];
  });
  return Object.fromEntries(entries) as Constraints; // the keys are its own
}

/** Draws budgets until one is feasible. @param rng is advanced */
export function drawBudget(source: BudgetSource, rng: Rng): Constraints {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const constraints = drawOnce(source, rng);
    if (isFeasible(source, constraints)) return constraints;
  }
  throw new BespokeError(
    'infeasible-constraints',
    `none of ${MAX_TRIES} random budgets of "${source.space.id}" is feasible`,
  );
}
