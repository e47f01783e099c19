import { invariant } from '../../common/invariant.js';
import { float, int, ints } from '../../onnx/builder.js';
import { constant, type Emitter, emit, matrixDims, sameDims, showDims, type Term } from '../term.js';

/** Dims of an elementwise result by numpy's broadcasting rule. */
function broadcastDims(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const left = a[a.length - rank + i] ?? 1;
    const right = b[b.length - rank + i] ?? 1;
    invariant(
      left === right || left === 1 || right === 1,
      () => `dims ${showDims(a)} and ${showDims(b)} do not broadcast`,
    );
    return Math.max(left, right);
  });
}

function binary(e: Emitter, opType: 'Add' | 'Sub' | 'Mul' | 'Pow', a: Term, b: Term): Term {
  // A blocked operand meets an equal one or a scalar; any other broadcast would mix up its memory.
  const blocked = a.layout === 'blocked' || b.layout === 'blocked';
  invariant(
    !blocked || a.dims.length === 0 || b.dims.length === 0 || (a.layout === b.layout && sameDims(a.dims, b.dims)),
    () => `${opType} of a ${a.layout} ${showDims(a.dims)} and a ${b.layout} ${showDims(b.dims)}`,
  );
  return emit(e, opType, [a, b], { dims: broadcastDims(a.dims, b.dims), layout: blocked ? 'blocked' : 'plain' });
}

export const add = (e: Emitter, a: Term, b: Term): Term => binary(e, 'Add', a, b);
export const sub = (e: Emitter, a: Term, b: Term): Term => binary(e, 'Sub', a, b);
export const mul = (e: Emitter, a: Term, b: Term): Term => binary(e, 'Mul', a, b);
/** x * factor. */
export const scaleBy = (e: Emitter, x: Term, factor: number): Term => mul(e, x, constant(e, [], factor));
/** x ^ exponent. */
export const power = (e: Emitter, x: Term, exponent: number): Term => binary(e, 'Pow', x, constant(e, [], exponent));

/** An elementwise function of one operand; any layout. */
export function unary(e: Emitter, opType: 'Relu' | 'Exp', x: Term): Term {
  return emit(e, opType, [x], { dims: x.dims, layout: x.layout });
}

/** max(0, min(1, alpha * x + beta)); any layout. */
export function hardSigmoid(e: Emitter, x: Term, alpha: number, beta: number): Term {
  const attributes = { alpha: float(alpha), beta: float(beta) };
  return emit(e, 'HardSigmoid', [x], { dims: x.dims, layout: x.layout, attributes });
}

/** min(high, max(low, x)); any layout. */
export function clip(e: Emitter, x: Term, low: number, high: number): Term {
  const bounds = [constant(e, [], low), constant(e, [], high)];
  return emit(e, 'Clip', [x, ...bounds], { dims: x.dims, layout: x.layout });
}

/** Permutes the axes of a plain term. */
export function transpose(e: Emitter, x: Term, axes: readonly number[]): Term {
  const dims = axes.map((axis) => x.dims[axis] ?? 0);
  return emit(e, 'Transpose', [x], { dims, attributes: { perm: ints(axes) } });
}

/** Sum over `axes`, which are dropped. */
export function sumOver(e: Emitter, x: Term, axes: readonly number[]): Term {
  const dims = x.dims.filter((_, axis) => !axes.includes(axis));
  return emit(e, 'ReduceSum', [x, e.builder.int64Const(axes)], { dims, attributes: { keepdims: int(0) } });
}

/** Mean over `axes`, which are dropped. */
export function meanOver(e: Emitter, x: Term, axes: readonly number[]): Term {
  const dims = x.dims.filter((_, axis) => !axes.includes(axis));
  return emit(e, 'ReduceMean', [x], { dims, attributes: { axes: ints(axes), keepdims: int(0) } });
}

/** Which operands of a matrix product are read transposed. */
export interface Transposed {
  readonly a?: boolean;
  readonly b?: boolean;
}

export interface GemmOptions extends Transposed {
  /** Factor of the product; 1 unless told. */
  readonly alpha?: number;
  /** Added to the product: a matrix of its dims, or a vector `[columns]` on each row. */
  readonly addend?: Term;
  /** Factor of the addend; 1 unless told. */
  readonly beta?: number;
}

/**
 * alpha * a b + beta * addend, either matrix read transposed if so told.
 * Source: ONNX Gemm-13.
 */
export function gemm(e: Emitter, a: Term, b: Term, options: GemmOptions = {}): Term {
  const { addend, alpha = 1, beta = 1 } = options;
  const [aRows, aColumns] = matrixDims(a);
  const [bRows, bColumns] = matrixDims(b);
  const [rows, inner] = options.a ? [aColumns, aRows] : [aRows, aColumns];
  const [otherInner, columns] = options.b ? [bColumns, bRows] : [bRows, bColumns];
  invariant(
    inner === otherInner,
    () => `matrix product of ${showDims(a.dims)} and ${showDims(b.dims)}: ${inner} is not ${otherInner}`,
  );
  const attributes = {
    transA: int(options.a ? 1 : 0),
    transB: int(options.b ? 1 : 0),
    alpha: float(alpha),
    beta: float(beta),
  };
  return emit(e, 'Gemm', addend === undefined ? [a, b] : [a, b, addend], { dims: [rows, columns], attributes });
}

/**
 * Batched product over the last two axes, the leading ones broadcast; either operand may be read transposed.
 * Source: ONNX Runtime contrib operator com.microsoft.FusedMatMul (CPU and CUDA).
 */
export function batchedMatMul(e: Emitter, a: Term, b: Term, transposed: Transposed = {}): Term {
  const [aRows = 0, aColumns = 0] = a.dims.slice(-2);
  const [bRows = 0, bColumns = 0] = b.dims.slice(-2);
  const [rows, inner] = transposed.a ? [aColumns, aRows] : [aRows, aColumns];
  const [otherInner, columns] = transposed.b ? [bColumns, bRows] : [bRows, bColumns];
  invariant(
    inner === otherInner,
    () => `batched product of ${showDims(a.dims)} and ${showDims(b.dims)}: ${inner} is not ${otherInner}`,
  );
  const dims = [...broadcastDims(a.dims.slice(0, -2), b.dims.slice(0, -2)), rows, columns];
  if (!transposed.a && !transposed.b) return emit(e, 'MatMul', [a, b], { dims });
  const attributes = { transA: int(transposed.a ? 1 : 0), transB: int(transposed.b ? 1 : 0) };
  return emit(e, 'FusedMatMul', [a, b], { dims, domain: 'com.microsoft', attributes });
}

/** Matrix `[R, K]` times vector `[K]` -> `[R]`. */
export function matrixVector(e: Emitter, matrix: Term, vector: Term): Term {
  const [rows] = matrixDims(matrix);
  return emit(e, 'MatMul', [matrix, vector], { dims: [rows] });
}

/** Vector `[R]` times matrix `[R, K]` -> `[K]`. */
export function vectorMatrix(e: Emitter, vector: Term, matrix: Term): Term {
  const [, columns] = matrixDims(matrix);
  return emit(e, 'MatMul', [vector, matrix], { dims: [columns] });
}

/** Takes the listed positions along one axis. */
export function gather(e: Emitter, x: Term, positions: readonly number[], axis: number): Term {
  const dims = x.dims.map((dim, i) => (i === axis ? positions.length : dim));
  return emit(e, 'Gather', [x, e.builder.int64Const(positions)], { dims, attributes: { axis: int(axis) } });
}

/** Pads a plain term with zeros, `begin` before and `end` behind on each axis. */
export function pad(e: Emitter, x: Term, begin: readonly number[], end: readonly number[]): Term {
  const dims = x.dims.map((dim, i) => dim + (begin[i] ?? 0) + (end[i] ?? 0));
  return emit(e, 'Pad', [x, e.builder.int64Const([...begin, ...end])], { dims });
}
