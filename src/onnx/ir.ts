import type { ElementType, Tensor } from '../tensor/tensor.js';

/** An attribute of a node, tagged with its ONNX type. */
export type Attribute =
  | { readonly type: 'int'; readonly value: number }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'ints'; readonly value: readonly number[] }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'tensor'; readonly value: Tensor };

/** One operator call. An empty input name is an omitted optional input. `domain` '' is the standard operator set. */
export interface OnnxNode {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** Type and shape of a graph input or output; a string dim is symbolic (the dynamic batch is `N`). */
export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly (number | string)[];
}

export interface Initializer {
  readonly name: string;
  readonly tensor: Tensor;
}

/** A graph in topological order. Initializers are constants, not inputs. */
export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: readonly Initializer[];
}

/** A whole model: a graph, the operator-set versions it needs, and `metadata_props`. */
export interface OnnxModel {
  readonly graph: OnnxGraph;
  readonly opsets: Readonly<Record<string, number>>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * The versions that every model made here carries: IR 8 and opset 17 (ONNX 1.12, 2022),
 * old enough for the runtimes of small devices and new enough for every operator used.
 */
export const IR_VERSION = 8;
export const OPSET_VERSION = 17;
/** `com.microsoft` and `com.microsoft.nchwc`: ONNX Runtime's own operators, used in training graphs only. */
export const CONTRIB_OPSET_VERSION = 1;
