import { BespokeError } from '../common/errors.js';
import { archId } from '../space/arch.js';
import type { SearchSpace } from '../space/types.js';
import type { ParameterLayout } from './parameter-layout.js';
import { lrAt, type StepPosition } from './phases.js';
import type { Recipe } from './recipe.js';
import type { NetReport, NetRole } from './step-runner.js';
import { subnetsOfStep } from './subnet-schedule.js';

/** What the sentences about a run need to know of it. */
export interface DivergenceContext {
  readonly space: SearchSpace;
  readonly recipe: Recipe;
  readonly seed: number;
  readonly workers: number;
}

/** Where a step lies, for people. */
function placeOf({ step, phase, stepInPhase, phaseSteps }: StepPosition): string {
  return `step ${step} (phase "${phase.name}", its step ${stepInPhase} of ${phaseSteps})`;
}

function advice({ recipe }: DivergenceContext, position: StepPosition): string {
  const { phase } = position;
  return (
    `a lower lr in that phase (${phase.lr}; at this step ${Number(lrAt(position).toPrecision(3))}), ` +
    `a lower clipNorm (${recipe.clipNorm}) or a longer warmup (${phase.warmup})`
  );
}

/** @throws BespokeError `internal` naming the step, the phase, what was not finite and what to change */
export function refuseDivergence(context: DivergenceContext, position: StepPosition, what: string): never {
  throw new BespokeError(
    'internal',
    `training diverged at ${placeOf(position)}: ${what}; the checkpoints before this step are kept; ` +
      `begin another run, from new weights or from those of a checkpoint before, with ${advice(context, position)}`,
  );
}

/** Characters of an architecture's id that are shown. */
const SHOWN_ID = 12;

/** A net of a step, by its place among the reports of all workers: its role, and which random one. */
export function netName(
  { space, recipe, seed, workers }: DivergenceContext,
  position: StepPosition,
  reports: readonly NetReport[],
  index: number,
): string {
  const role = reports[index]?.role ?? 'random';
  if (role !== 'random') return `the ${role} net`;
  // Every worker reports its nets in order, the random ones last.
  const perWorker = reports.length / workers;
  const worker = Math.floor(index / perWorker);
  const subnets = subnetsOfStep({ space, pool: recipe.pool, seed, worker }, position);
  const arch = subnets[(index % perWorker) - (perWorker - subnets.length)]?.arch;
  return arch === undefined
    ? 'a random net'
    : `the random net ${archId(space, arch).slice(0, SHOWN_ID)} at ${arch.resolution} pixels`;
}

/** The first parameter with a value that is not finite; undefined if there is none. */
export function brokenParameter({ slots }: ParameterLayout, values: Float32Array): string | undefined {
  return slots.find(({ offset, size }) => !values.subarray(offset, offset + size).every(Number.isFinite))?.name;
}

/** Steps whose mean loss is looked at. */
const WATCHED_STEPS = 50;
/** A loss so many times that of uniform guesses, ln(classes), is no progress: label smoothing and distillation stay below 1.5 times. */
const TOO_HIGH = 3;

/** Notices a loss that is finite but far above where training starts, after a phase's warm-up. Mutable. */
export class DivergenceWatch {
  readonly #context: DivergenceContext;
  readonly #warned = new Set<number>();
  readonly #sums = new Map<NetRole, { loss: number; passes: number }>();
  #phaseIndex = -1;
  #steps = 0;

  constructor(context: DivergenceContext) {
    this.#context = context;
  }

  /** Takes in a step. @returns a warning, at most once per phase */
  observe(position: StepPosition, reports: readonly NetReport[]): string | undefined {
    const { phase, phaseIndex, stepInPhase, phaseSteps } = position;
    if (phaseIndex !== this.#phaseIndex) this.#restart(phaseIndex);
    const warmup = Math.round(phase.warmup * phaseSteps);
    if (stepInPhase < warmup || this.#warned.has(phaseIndex)) return undefined;
    for (const { role, loss } of reports) {
      const { loss: sum, passes } = this.#sums.get(role) ?? { loss: 0, passes: 0 };
      this.#sums.set(role, { loss: sum + loss, passes: passes + 1 });
    }
    this.#steps += 1;
    if (this.#steps < Math.min(WATCHED_STEPS, phaseSteps - warmup)) return undefined;
    const warning = this.#judge(position);
    this.#restart(phaseIndex);
    if (warning !== undefined) this.#warned.add(phaseIndex);
    return warning;
  }

  #restart(phaseIndex: number): void {
    this.#phaseIndex = phaseIndex;
    this.#steps = 0;
    this.#sums.clear();
  }

  #judge(position: StepPosition): string | undefined {
    const chance = Math.log(this.#context.space.classes);
    const means = [...this.#sums].map(([role, { loss, passes }]) => ({ role, mean: loss / passes }));
    const worst = means.toSorted((a, b) => b.mean - a.mean)[0];
    if (worst === undefined || !(worst.mean > TOO_HIGH * chance)) return undefined;
    return (
      `training may be diverging at ${placeOf(position)}: the mean loss of the ${worst.role} nets over ${this.#steps} steps is ` +
      `${worst.mean.toPrecision(3)}, uniform guesses have ${chance.toPrecision(3)}; if it does not fall, begin again with ${advice(this.#context, position)}`
    );
  }
}
