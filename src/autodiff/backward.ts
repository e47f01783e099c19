import { invariant } from '../common/invariant.js';
import { inLayout } from './primitives/layout.js';
import { add } from './primitives/standard.js';
import type { Tape, TapeNode, Variable } from './tape.js';
import { constant, type Emitter, sameDims, showDims, type Term } from './term.js';

/**
 * Walks a tape backwards from an output and emits the gradients of everything that needs one.
 * Operations that no parameter feeds, and operations that the output does not depend on, are passed over.
 * @param seed dOutput, of the output's dims; the constant 1 for a scalar output unless told
 * @returns the gradient of a variable: plain layout for parameters; `undefined` where the output does not depend on it
 * @throws InvariantError naming operation and input if a rule returns no gradient or one of other dims or type
 * Source: reverse-mode automatic differentiation, Griewank & Walther 2008, section 3.2.
 */
export function backward(tape: Tape, output: Variable, seed?: Term): (variable: Variable) => Term | undefined {
  const e = tape.emitter;
  invariant(
    seed === undefined ? output.term.dims.length === 0 : sameDims(seed.dims, output.term.dims),
    () => `the seed of a backward pass from ${showDims(output.term.dims)} has dims ${showDims(seed?.dims ?? [])}`,
  );
  const gradients = new Map<Variable, Term>([[output, inLayout(e, seed ?? constant(e, [], 1), output.term.layout)]]);
  for (const node of tape.nodes.toReversed()) {
    const gradient = gradients.get(node.output);
    if (gradient === undefined || !node.output.needsGradient) continue;
    for (const [variable, contribution] of contributions(e, node, gradient)) {
      const earlier = gradients.get(variable);
      gradients.set(variable, earlier === undefined ? contribution : add(e, earlier, contribution));
    }
  }
  return (variable) => gradients.get(variable);
}

/** The gradients that one operation hands to its inputs, checked, in the inputs' layouts. */
function contributions(e: Emitter, node: TapeNode, gradient: Term): readonly (readonly [Variable, Term])[] {
  const makers = node.gradients(gradient);
  return node.inputs
    .filter(([, variable]) => variable.needsGradient)
    .map(([name, variable]) => {
      const make = makers[name];
      invariant(make !== undefined, () => `${node.kind} "${node.name}" has no gradient for its input "${name}"`);
      const term = make();
      const wanted = variable.term;
      invariant(
        term.type === wanted.type && sameDims(term.dims, wanted.dims),
        () =>
          `${node.kind} "${node.name}" gave its input "${name}" a gradient ${term.type} ${showDims(term.dims)}; ` +
          `the input is ${wanted.type} ${showDims(wanted.dims)}`,
      );
      return [variable, inLayout(e, term, wanted.layout)] as const;
    });
}
