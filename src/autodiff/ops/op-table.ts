import type { TapeActivation } from '../primitives/activation.js';
import type { Emitter, Term } from '../term.js';

/** Every operation that a tape can record: the names of its inputs, its attributes, and what its forward keeps for its backward. */
export interface OpTable {
  conv: { inputs: 'x' | 'weight'; attributes: SlidingAttributes; kept: never };
  pointwise: { inputs: 'x' | 'weight'; attributes: NoAttributes; kept: never };
  depthwise: { inputs: 'x' | 'weight'; attributes: SlidingAttributes; kept: never };
  batchNorm: {
    inputs: 'x' | 'gamma' | 'beta';
    attributes: NormAttributes;
    kept: 'mean' | 'inverseDeviation' | 'scale' | 'argument';
  };
  pointwiseBatchNorm: {
    inputs: 'x' | 'weight' | 'gamma' | 'beta';
    attributes: NormAttributes;
    kept: 'inputMean' | 'mean' | 'inverseDeviation' | 'scale' | 'scaledWeight' | 'weightedCovariance' | 'argument';
  };
  relu: { inputs: 'x'; attributes: NoAttributes; kept: never };
  relu6: { inputs: 'x'; attributes: NoAttributes; kept: never };
  hSwish: { inputs: 'x'; attributes: NoAttributes; kept: never };
  add: { inputs: 'a' | 'b'; attributes: NoAttributes; kept: never };
  squeezeExcite: {
    inputs: 'x' | 'reduceWeight' | 'reduceBias' | 'expandWeight' | 'expandBias';
    attributes: NoAttributes;
    kept: 'pooled' | 'hidden' | 'scale';
  };
  globalPool: { inputs: 'x'; attributes: NoAttributes; kept: never };
  linear: { inputs: 'x' | 'weight' | 'bias'; attributes: NoAttributes; kept: never };
  centerCrop: { inputs: 'weight'; attributes: { readonly kernel: number }; kept: never };
  kernelTransform: { inputs: 'weight' | 'matrix'; attributes: { readonly kernel: number }; kept: 'cropped' };
  reshape: { inputs: 'x'; attributes: { readonly dims: readonly number[] }; kept: never };
  softTargetCrossEntropy: { inputs: 'logits' | 'targets'; attributes: NoAttributes; kept: 'logProbabilities' };
}

export type NoAttributes = Readonly<Record<never, never>>;

/** A square kernel's stride and its zero padding on every side. */
export interface SlidingAttributes {
  readonly stride: number;
  readonly padding: number;
}

export interface NormAttributes {
  readonly epsilon: number;
  /** Applied to the normalised image. */
  readonly activation: TapeActivation;
}

export type OpKind = keyof OpTable;
export type InputName<K extends OpKind> = OpTable[K]['inputs'];
export type Attributes<K extends OpKind> = OpTable[K]['attributes'];
export type Inputs<K extends OpKind> = Readonly<Record<InputName<K>, Term>>;

/** What a forward emits: the output, and terms that the backward reads again. */
export interface Forward<K extends OpKind> {
  readonly output: Term;
  readonly kept?: Readonly<Partial<Record<OpTable[K]['kept'], Term>>>;
}

/** One recorded application as its rule sees it. */
export interface Application<K extends OpKind> {
  readonly inputs: Inputs<K>;
  readonly attributes: Attributes<K>;
  readonly output: Term;
  /** @throws InvariantError if the forward did not keep it */
  kept(name: OpTable[K]['kept']): Term;
  /** dLoss/dOutput, of the output's dims and layout. */
  readonly gradient: Term;
}

/** Makes the gradient of one input; called only for inputs whose gradient is needed. Any layout; the dims are the input's. */
export type Gradients<K extends OpKind> = Readonly<Partial<Record<InputName<K>, () => Term>>>;

/**
 * How one operation is emitted and differentiated. `forward` checks the dims of its inputs and returns static output dims.
 * An input that `backward` has no entry for has no gradient (targets of a loss); asking for it is an error.
 */
export interface Rule<K extends OpKind> {
  forward(e: Emitter, inputs: Inputs<K>, attributes: Attributes<K>): Forward<K>;
  backward(e: Emitter, application: Application<K>): Gradients<K>;
}
