import { invariant } from '../common/invariant.js';

/** Which typed array stores which element type. ONNX order everywhere: row-major, images as `[N, C, H, W]`. */
export interface ElementArrays {
  float32: Float32Array;
  float64: Float64Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}
export type ElementType = keyof ElementArrays;

/** A dense row-major tensor. `data.length` is the product of `dims`; a scalar has no dims. */
export interface Tensor<T extends ElementType = ElementType> {
  readonly type: T;
  readonly dims: readonly number[];
  readonly data: ElementArrays[T];
}
export type FloatTensor = Tensor<'float32'>;

/** Number of elements of a shape. */
export function sizeOf(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** Wraps a typed array; throws if its length is not the product of the dims. */
export function tensorFrom<T extends ElementType>(type: T, dims: readonly number[], data: ElementArrays[T]): Tensor<T> {
  invariant(
    data.length === sizeOf(dims),
    () => `a ${type} tensor [${dims.join(', ')}] has ${sizeOf(dims)} elements, got ${data.length}`,
  );
  return { type, dims, data };
}

/** A float32 tensor from a typed array or a list. */
export function floats(dims: readonly number[], data: Float32Array | readonly number[]): FloatTensor {
  return tensorFrom('float32', dims, data instanceof Float32Array ? data : Float32Array.from(data));
}

/** An int64 tensor from plain integers; `dims` defaults to a vector. */
export function int64s(values: readonly number[], dims: readonly number[] = [values.length]): Tensor<'int64'> {
  return tensorFrom('int64', dims, BigInt64Array.from(values.map(BigInt)));
}

/** A float32 tensor of one repeated value. */
export function filled(dims: readonly number[], value: number): FloatTensor {
  return floats(dims, new Float32Array(sizeOf(dims)).fill(value));
}
