import { parseRecipe, type Recipe } from '../../../src/train/recipe.js';
import { tinyRecipe, tinySpace } from './tiny-run.js';

const OPTIMIZERS: Readonly<Record<string, object>> = {
  sgd: { kind: 'sgd', momentum: 0.9 },
  adamw: { kind: 'adamw', beta1: 0.9, beta2: 0.99 },
  muon: { kind: 'muon', momentum: 0.9, matrixLrScale: 1, beta1: 0.9, beta2: 0.99 },
};

/** Everything that a run carries from step to step: an optimizer's moments, an average, sorted channels, a frozen teacher. 12 steps, 6 and 6. */
export function resilientRecipe(kind: string): Recipe {
  const { phases, ...recipe } = tinyRecipe(96);
  const [first, second] = phases;
  const sorted = { ...first, name: 'sorted', images: 48, sortChannels: true };
  const whole = { ...first, elastic: { ...first!.elastic, expandRatios: [3] } };
  const lr = kind === 'sgd' ? 0.05 : 0.01;
  const all = [whole, sorted, second].map((phase) => ({ ...phase, lr }));
  return parseRecipe(
    JSON.stringify({
      ...{ ...recipe, name: `resilient-${kind}`, optimizer: OPTIMIZERS[kind], ema: 0.9, phases: all },
      validateEvery: 1_000_000, // once, at the end
    }),
    kind,
    tinySpace,
  );
}
