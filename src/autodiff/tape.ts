import { invariant } from '../common/invariant.js';
import type { GraphBuilder } from '../onnx/builder.js';
import type { Attributes, Gradients, InputName, Inputs, OpKind } from './ops/op-table.js';
import { RULES } from './rules.js';
import { constant, type Emitter, type Lowering, makeEmitter, type Term } from './term.js';

/** A value that the tape knows: an input, a parameter, or the output of a recorded operation. */
export interface Variable {
  readonly term: Term;
  /** Whether it is a parameter or depends on one: only these get gradients. */
  readonly needsGradient: boolean;
}

/** One recorded operation. */
export interface TapeNode {
  readonly kind: OpKind;
  /** Name of the output value, for messages. */
  readonly name: string;
  readonly inputs: readonly (readonly [name: string, variable: Variable])[];
  readonly output: Variable;
  /** Emits what is needed of the backward: a maker of each input's gradient, given the output's (of its dims and layout). */
  gradients(gradient: Term): Readonly<Record<string, (() => Term) | undefined>>;
}

/** The inputs of an operation as variables. */
export type Operands<K extends OpKind> = Readonly<Record<InputName<K>, Variable>>;

/**
 * Records operations while emitting their forward nodes into a graph builder. All dims are static.
 * It grows as operations are applied; `backward` reads it.
 */
export class Tape {
  readonly emitter: Emitter;
  readonly nodes: TapeNode[] = [];

  constructor(builder: GraphBuilder, lowering: Lowering) {
    this.emitter = makeEmitter(builder, lowering);
  }

  /** Declares a graph input of static dims that has no gradient (images, targets). */
  input(name: string, dims: readonly number[]): Variable {
    return { term: this.#graphInput(name, dims), needsGradient: false };
  }

  /** Declares a graph input of static dims whose gradient is wanted. */
  parameter(name: string, dims: readonly number[]): Variable {
    return { term: this.#graphInput(name, dims), needsGradient: true };
  }

  /** A constant of one repeated value; it has no gradient. */
  constant(dims: readonly number[], value: number): Variable {
    return { term: constant(this.emitter, dims, value), needsGradient: false };
  }

  #graphInput(name: string, dims: readonly number[]): Term {
    return { value: this.emitter.builder.input(name, 'float32', dims), type: 'float32', dims, layout: 'plain' };
  }

  /**
   * Applies an operation: emits its forward and records it.
   * @throws InvariantError if the inputs' dims do not fit the operation
   */
  apply<K extends OpKind>(kind: K, operands: Operands<K>, attributes: Attributes<K>): Variable {
    const e = this.emitter;
    const rule = RULES[kind];
    const named = Object.entries<Variable>(operands);
    const inputs = Object.fromEntries(named.map(([name, variable]) => [name, variable.term])) as Inputs<K>; // same keys
    const { output, kept = {} } = rule.forward(e, inputs, attributes);
    const variable = { term: output, needsGradient: named.some(([, operand]) => operand.needsGradient) };
    const keptTerms: Readonly<Record<string, Term | undefined>> = kept;
    this.nodes.push({
      kind,
      name: output.value,
      inputs: named,
      output: variable,
      gradients: (gradient): Gradients<K> =>
        rule.backward(e, {
          inputs,
          attributes,
          output,
          gradient,
          kept: (name) => {
            const term = keptTerms[name];
            invariant(term !== undefined, () => `${kind} "${output.value}" did not keep "${name}"`);
            return term;
          },
        }),
    });
    return variable;
  }
}
