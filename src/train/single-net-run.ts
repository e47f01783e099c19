import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { writeDurably } from '../files/durable-write.js';
import { decodeSafetensors } from '../tensor/safetensors.js';
import type { FloatTensor } from '../tensor/tensor.js';
import type { LoopEnd } from './loop.js';
import type { Phase, Recipe } from './recipe.js';
import { type TrainRunOptions, trainSupernet } from './run.js';
import type { SingleNet } from './single-net.js';

/** How long the processor worked for a run so far: `{"step", "cpuSeconds"}`, written with every checkpoint. */
const USAGE_FILE = 'usage.json';

/** What a phase asks for that one network by itself does not have; undefined if it is fit. */
function unfitness(phase: Phase, hasTeacher: boolean): string | undefined {
  if (phase.largestEvery !== 1) return `largestEvery is 1, as it is the network itself; given is ${phase.largestEvery}`;
  if (phase.smallest) return 'smallest is false, as there is no other network; given is true';
  if (phase.subnetsPerStep !== 0) return `subnetsPerStep is 0; given is ${phase.subnetsPerStep}`;
  if (phase.sortChannels === true) return 'sortChannels is false, as no width is elastic; given is true';
  if (phase.teacher === 'inplace') return 'the teacher is "none" or "frozen"; given is "inplace"';
  if (phase.teacher === 'frozen' && !hasTeacher) return 'the teacher is "none", as there is no supernet to learn from';
  return undefined;
}

/**
 * Refuses a recipe that is not for one network. What it says of elastic choices and of the pool is not looked at: the network and its resolution are fixed.
 * @param hasTeacher whether there is a network to distill from
 * @throws BespokeError `invalid-request`, naming the phase, the rule and what was given
 */
export function assertNetRecipe(recipe: Recipe, hasTeacher: boolean): void {
  for (const [index, phase] of recipe.phases.entries()) {
    const reason = unfitness(phase, hasTeacher);
    if (reason === undefined) continue;
    throw new BespokeError(
      'invalid-request',
      `recipe "${recipe.name}": phases[${index}]: in a recipe that trains one network ${reason}`,
    );
  }
}

/** How a run of one network ended. */
export interface NetOutcome {
  readonly end: LoopEnd;
  readonly step: number;
  readonly steps: number;
  /** Processor time of all threads over all parts of the run, s; what a kill lost since the last checkpoint is not in it. */
  readonly cpuSeconds: number;
  /** The trained weights; only of a finished run. */
  readonly tensors?: ReadonlyMap<string, FloatTensor>;
}

function usedBefore(dir: string): number {
  const path = join(dir, USAGE_FILE);
  if (!existsSync(path)) return 0;
  const usage: unknown = JSON.parse(readFileSync(path, 'utf8')); // written durably: whole or not there
  const seconds = typeof usage === 'object' && usage !== null ? Reflect.get(usage, 'cpuSeconds') : undefined;
  return typeof seconds === 'number' ? seconds : 0;
}

/** A network's weights from the file of a finished run. */
function readWeights(path: string): ReadonlyMap<string, FloatTensor> {
  // The run has just written them, from float32 tensors alone.
  return decodeSafetensors(readFileSync(path), path).tensors as Map<string, FloatTensor>;
}

/**
 * Trains one network by itself, or goes on with a run that was interrupted: the supernet's trainer with its checkpoints, exact resume, workers and log,
 * but no weight is shared with another network. A finished run that is resumed gives its result again.
 * @throws BespokeError as `trainSupernet`, and `invalid-request` for a recipe that is not for one network
 */
export async function trainNet(options: TrainRunOptions & { readonly net: SingleNet }): Promise<NetOutcome> {
  const { dir, recipe, teachers, resume, onEvent } = options;
  assertNetRecipe(recipe, teachers !== undefined);
  const before = resume ? usedBefore(dir) : 0;
  const start = process.cpuUsage();
  const cpuSeconds = (): number => {
    const { user, system } = process.cpuUsage(start); // µs, over all threads of the process
    return before + (user + system) / 1e6;
  };
  const { end, step, steps, weights } = await trainSupernet({
    ...options,
    onEvent: (event) => {
      if (event.kind === 'checkpoint') {
        const usage = JSON.stringify({ step: event.step, cpuSeconds: cpuSeconds() });
        writeDurably(dir, USAGE_FILE, new TextEncoder().encode(`${usage}\n`));
      }
      onEvent?.(event);
    },
  });
  const outcome = { end, step, steps, cpuSeconds: cpuSeconds() };
  return weights === undefined ? outcome : { ...outcome, tensors: readWeights(weights) };
}
