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
 * The operator set that every model made here carries unless told: 17 (ONNX 1.12, 2022), old enough for the runtimes of small devices and
 * new enough for every operator used.
 */
export const OPSET_VERSION = 17;

/**
 * The operator sets that a delivered model can be written for. 13 is the first in which the operators of training and delivery have
 * their present inputs; behind 21 nothing is checked here.
 */
export const MODEL_OPSETS = { oldest: 13, newest: 21 } as const;

/** The version of the file format that came with an operator set: from this one on, up to the next row. Source: ONNX, docs/Versioning.md */
const IR_VERSIONS = [
  { fromOpset: 21, irVersion: 10 },
  { fromOpset: 19, irVersion: 9 },
  { fromOpset: 15, irVersion: 8 },
  { fromOpset: 0, irVersion: 7 },
] as const;

/** The version of the file format that a model of this operator set is written in. */
export function irVersionOf(opset: number): number {
  return IR_VERSIONS.find(({ fromOpset }) => opset >= fromOpset)?.irVersion ?? IR_VERSIONS[0].irVersion;
}
/** `com.microsoft` and `com.microsoft.nchwc`: ONNX Runtime's own operators, used in training graphs only. */
export const CONTRIB_OPSET_VERSION = 1;
