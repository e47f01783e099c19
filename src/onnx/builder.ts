import { invariant } from '../common/invariant.js';
import { type ElementType, floats, int64s, type Tensor } from '../tensor/tensor.js';
import {
  type Attribute,
  CONTRIB_OPSET_VERSION,
  type Initializer,
  type OnnxModel,
  type OnnxNode,
  OPSET_VERSION,
  type ValueInfo,
} from './ir.js';

/** The name of a value in a graph: what builder calls return and take. */
export type Value = string & { readonly __brand: 'Value' };

export const int = (value: number): Attribute => ({ type: 'int', value });
export const float = (value: number): Attribute => ({ type: 'float', value });
export const ints = (value: readonly number[]): Attribute => ({ type: 'ints', value });
export const floatList = (value: readonly number[]): Attribute => ({ type: 'floats', value });
export const text = (value: string): Attribute => ({ type: 'string', value });

export interface NodeOptions {
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Name of the (first) output; must be new. Without it a name is made from the operator and a counter. */
  readonly name?: string;
  /** Number of outputs, 1 unless told; further outputs are named `<name>.1`, `<name>.2`, ... */
  readonly outputs?: number;
}

/**
 * Collects a graph node by node, in topological order by construction: a value must exist before it is used.
 * The only mutable thing of this room; `model()` returns the immutable result.
 */
export class GraphBuilder {
  readonly #name: string;
  readonly #nodes: OnnxNode[] = [];
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: ValueInfo[] = [];
  readonly #initializers: Initializer[] = [];
  readonly #known = new Set<string>();
  readonly #constants = new Map<string, Value>();
  #counter = 0;

  constructor(name: string) {
    this.#name = name;
  }

  #define(name: string): Value {
    invariant(!this.#known.has(name), () => `graph ${this.#name}: the value "${name}" is defined twice`);
    this.#known.add(name);
    return name as Value; // every Value comes from here, so the brand holds
  }

  /** A fresh name that starts with `prefix`. */
  fresh(prefix: string): string {
    let name = `${prefix}_${this.#counter++}`;
    while (this.#known.has(name)) name = `${prefix}_${this.#counter++}`;
    return name;
  }

  /** Declares a graph input. */
  input(name: string, type: ElementType, dims: readonly (number | string)[]): Value {
    this.#inputs.push({ name, type, dims });
    return this.#define(name);
  }

  /** Adds a named constant. */
  initializer(name: string, tensor: Tensor): Value {
    this.#initializers.push({ name, tensor });
    return this.#define(name);
  }

  /** A shared int64 constant (shapes, axes); equal lists are stored once. */
  int64Const(values: readonly number[], scalar = false): Value {
    const key = `i64${scalar ? 's' : ''}:${values.join(',')}`;
    return this.#constant(key, () => int64s(values, scalar ? [] : [values.length]));
  }

  /** A shared float32 scalar constant. */
  scalar(value: number): Value {
    return this.#constant(`f32:${value}`, () => floats([], [value]));
  }

  #constant(key: string, make: () => Tensor): Value {
    const existing = this.#constants.get(key);
    if (existing !== undefined) return existing;
    const value = this.initializer(this.fresh('const'), make());
    this.#constants.set(key, value);
    return value;
  }

  /** Adds a node with one output. Omitted optional inputs are `undefined`. */
  node(opType: string, inputs: readonly (Value | undefined)[], options: NodeOptions = {}): Value {
    return this.nodes(opType, inputs, options)[0] as Value; // nodes() returns at least one
  }

  /** Adds a node with `options.outputs` outputs. */
  nodes(opType: string, inputs: readonly (Value | undefined)[], options: NodeOptions = {}): readonly Value[] {
    const name = options.name ?? this.fresh(opType);
    for (const input of inputs) {
      invariant(
        input === undefined || this.#known.has(input),
        () => `graph ${this.#name}: node ${opType} "${name}" reads "${input}", which is not defined before it`,
      );
    }
    const outputs = Array.from({ length: options.outputs ?? 1 }, (_, i) =>
      this.#define(i === 0 ? name : `${name}.${i}`),
    );
    this.#nodes.push({
      name: `${name}/${opType}`,
      opType,
      domain: options.domain ?? '',
      inputs: inputs.map((input) => input ?? ''),
      outputs,
      attributes: options.attributes ?? {},
    });
    return outputs;
  }

  /** Declares a value as a graph output, with its type and shape; the value must already exist. */
  output(value: Value, type: ElementType, dims: readonly (number | string)[]): void {
    this.#outputs.push({ name: value, type, dims });
  }

  /** The finished model; operator sets are declared for the domains that occur, `opset` for the standard one. */
  model(metadata: Readonly<Record<string, string>> = {}, opset: number = OPSET_VERSION): OnnxModel {
    const domains = new Set(this.#nodes.map((node) => node.domain).filter((domain) => domain !== ''));
    const opsets: Record<string, number> = { '': opset };
    for (const domain of [...domains].sort()) opsets[domain] = CONTRIB_OPSET_VERSION;
    return {
      graph: {
        name: this.#name,
        nodes: [...this.#nodes],
        inputs: [...this.#inputs],
        outputs: [...this.#outputs],
        initializers: [...this.#initializers],
      },
      opsets,
      metadata,
    };
  }
}
