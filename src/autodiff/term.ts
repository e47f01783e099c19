import { invariant } from '../common/invariant.js';
import type { GraphBuilder, Value } from '../onnx/builder.js';
import type { Attribute } from '../onnx/ir.js';
import { type ElementType, filled, sizeOf } from '../tensor/tensor.js';

/**
 * Which operators a training graph is made of. `standard`: the ONNX operator set and `com.microsoft.FusedMatMul`, on any execution
 * provider. `nchwc`: layers whose channels are multiples of `block` run on ONNX Runtime's own CPU operators of the domain
 * `com.microsoft.nchwc`; all other layers are as in `standard`.
 */
export type Lowering = { readonly kind: 'standard' } | { readonly kind: 'nchwc'; readonly block: 8 | 16 };

/** How a value lies in memory: `plain` is row-major; `blocked` is an image `[N, C, H, W]` kept as `[N, C / block, H, W, block]`. */
export type Layout = 'plain' | 'blocked';

/** A value of the graph under construction with everything that is known of it: static dims (logical, in ONNX order) and layout. */
export interface Term {
  readonly value: Value;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly layout: Layout;
}

/** Where terms are emitted to. `shared` keeps what need not be emitted twice: constants and changes of layout. Mutable. */
export interface Emitter {
  readonly builder: GraphBuilder;
  readonly lowering: Lowering;
  readonly shared: Map<string, Term>;
}

/** Makes an emitter for a graph. */
export function makeEmitter(builder: GraphBuilder, lowering: Lowering): Emitter {
  return { builder, lowering, shared: new Map() };
}

/** What a node's result is: its dims, and its layout unless that is `plain`. */
export interface Result {
  readonly dims: readonly number[];
  readonly layout?: Layout;
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

/** Adds a node with one float32 output. Inputs are terms, or bare values for integer operands (shapes, axes). */
export function emit(e: Emitter, opType: string, inputs: readonly (Term | Value | undefined)[], result: Result): Term {
  const names = inputs.map((input) => (typeof input === 'object' ? input.value : input));
  const value = e.builder.node(opType, names, {
    ...(result.domain === undefined ? {} : { domain: result.domain }),
    ...(result.attributes === undefined ? {} : { attributes: result.attributes }),
  });
  return { value, type: 'float32', dims: result.dims, layout: result.layout ?? 'plain' };
}

/** The term under `key`, emitted at the first call only. */
export function sharedTerm(e: Emitter, key: string, make: () => Term): Term {
  const known = e.shared.get(key);
  if (known !== undefined) return known;
  const term = make();
  e.shared.set(key, term);
  return term;
}

/** A float32 constant of one repeated value; equal constants are stored once. */
export function constant(e: Emitter, dims: readonly number[], value: number): Term {
  return sharedTerm(e, `constant ${dims.join('x')}: ${value}`, () => {
    const { builder } = e;
    const name =
      dims.length === 0 ? builder.scalar(value) : builder.initializer(builder.fresh('filled'), filled(dims, value));
    return { value: name, type: 'float32', dims, layout: 'plain' };
  });
}

/**
 * The same memory under other dims or seen in another layout (what `Reshape` does). Emitted once per view, and always from the first
 * view of the memory, so that chains do not build up.
 */
export function reshape(e: Emitter, x: Term, dims: readonly number[], layout: Layout = 'plain'): Term {
  invariant(
    sizeOf(dims) === sizeOf(x.dims),
    () => `reshape ${showDims(x.dims)} to ${showDims(dims)}: the sizes differ`,
  );
  const first = e.shared.get(`first view ${x.value}`) ?? x;
  if (first.layout === layout && sameDims(first.dims, dims)) return first;
  return sharedTerm(e, `view ${first.value} ${layout} ${dims.join('x')}`, () => {
    const view = emit(e, 'Reshape', [first, e.builder.int64Const(dims)], { dims, layout });
    e.shared.set(`first view ${view.value}`, first);
    return view;
  });
}

export function sameDims(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** `[2, 16]`, for messages. */
export function showDims(dims: readonly number[]): string {
  return `[${dims.join(', ')}]`;
}

/** The four dims of an image tensor. @throws InvariantError if there are not four */
export function imageDims(x: { readonly dims: readonly number[] }): readonly [number, number, number, number] {
  const [n, c, h, w] = x.dims;
  invariant(
    x.dims.length === 4 && n !== undefined && c !== undefined && h !== undefined && w !== undefined,
    () => `an image tensor has dims [N, C, H, W], got ${showDims(x.dims)}`,
  );
  return [n, c, h, w];
}

/** The two dims of a matrix. @throws InvariantError if there are not two */
export function matrixDims(x: { readonly dims: readonly number[] }): readonly [number, number] {
  const [rows, columns] = x.dims;
  invariant(
    x.dims.length === 2 && rows !== undefined && columns !== undefined,
    () => `a matrix has two dims, got ${showDims(x.dims)}`,
  );
  return [rows, columns];
}
