import { Muon } from './muon.js';
import { ElementwiseOptimizer, type Optimizer } from './optimizer.js';
import type { ParameterLayout } from './parameter-layout.js';
import type { OptimizerChoice } from './recipe.js';

/** The optimizer that a recipe names, for a supernet of this layout. */
export async function makeOptimizer(layout: ParameterLayout, choice: OptimizerChoice): Promise<Optimizer> {
  return choice.kind === 'muon' ? await Muon.create(layout, choice) : new ElementwiseOptimizer(layout, choice);
}
