import type { ParameterLayout, ParameterSlot } from './parameter-layout.js';
import type { OptimizerChoice } from './recipe.js';

/** What one update needs beside the gradient. */
export interface UpdateSettings {
  readonly lr: number;
  readonly weightDecay: number;
  /** Largest global L2 norm of the gradient; longer ones are scaled down. */
  readonly clipNorm: number;
  /** Updates made before this one, 0 or more. */
  readonly step: number;
}

/** Weights with their running moments, updated in place; all flat and of the layout's size. */
export interface OptimizerState {
  readonly weights: Float32Array;
  /** Momentum: SGD's and Muon's sum of gradients, AdamW's first moment. */
  readonly velocity: Float32Array;
  /** AdamW's second moment; zeros where SGD acts. */
  readonly secondMoment: Float32Array;
}

/** A gradient that is about to be applied. */
export interface ScaledGradient {
  /** Flat, not changed. */
  readonly values: Float32Array;
  /** Factor of clipping. */
  readonly scale: number;
}

/** L2 norm over all elements, accumulated in float64. */
export function globalNorm(gradient: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < gradient.length; i++) sum += gradient[i]! * gradient[i]!;
  return Math.sqrt(sum);
}

/**
 * A gradient with the factor that clips it, and its norm before. Source: PyTorch's `clip_grad_norm_`
 * @param values flat, not changed
 */
export function clipped(values: Float32Array, clipNorm: number): ScaledGradient & { readonly norm: number } {
  const norm = globalNorm(values);
  return { values, norm, scale: norm > clipNorm ? clipNorm / norm : 1 };
}

/**
 * One step of SGD with Nesterov momentum on some parameters, in place. Those that no sub-network used this step have gradient zero,
 * and their momentum and decay still act (else the momentum of rarely sampled slices would stand still and jump later).
 * Source: Sutskever et al. 2013 in the form of PyTorch's `optim.SGD(nesterov=True)`
 */
function stepSgd(
  slots: readonly ParameterSlot[],
  state: OptimizerState,
  { values, scale }: ScaledGradient,
  { lr, weightDecay, momentum }: UpdateSettings & { readonly momentum: number },
): void {
  const { weights, velocity } = state;
  for (const { offset, size, decays } of slots) {
    const decay = decays ? weightDecay : 0;
    for (let i = offset; i < offset + size; i++) {
      const g = values[i]! * scale + decay * weights[i]!;
      const v = momentum * velocity[i]! + g;
      velocity[i] = v;
      weights[i] = weights[i]! - lr * (g + momentum * v);
    }
  }
}

/** Keeps AdamW's steps finite where the second moment is zero; PyTorch's default. */
const ADAM_EPSILON = 1e-8;

/**
 * One step of AdamW on some parameters, in place: decay is not part of the gradient, it shrinks weights by `lr * weightDecay`.
 * Source: Loshchilov & Hutter 2019, algorithm 2, in the form of PyTorch's `optim.AdamW`
 */
export function stepAdamW(
  slots: readonly ParameterSlot[],
  state: OptimizerState,
  { values, scale }: ScaledGradient,
  { lr, weightDecay, beta1, beta2, step }: UpdateSettings & { readonly beta1: number; readonly beta2: number },
): void {
  const { weights, velocity, secondMoment } = state;
  const stepSize = lr / (1 - beta1 ** (step + 1));
  const secondCorrection = 1 - beta2 ** (step + 1);
  for (const { offset, size, decays } of slots) {
    const keep = decays ? 1 - lr * weightDecay : 1;
    for (let i = offset; i < offset + size; i++) {
      const g = values[i]! * scale;
      const m = beta1 * velocity[i]! + (1 - beta1) * g;
      const v = beta2 * secondMoment[i]! + (1 - beta2) * g * g;
      velocity[i] = m;
      secondMoment[i] = v;
      weights[i] = weights[i]! * keep - (stepSize * m) / (Math.sqrt(v / secondCorrection) + ADAM_EPSILON);
    }
  }
}

/** Applies gradients to a supernet's weights. */
export interface Optimizer {
  /**
   * One step over ALL parameters, in place.
   * @param gradient flat, not changed
   * @returns the gradient's norm before clipping; not finite if training diverged, and then nothing is updated
   */
  update(state: OptimizerState, gradient: Float32Array, settings: UpdateSettings): Promise<number>;
  release(): Promise<void>;
}

/** SGD or AdamW over all parameters. */
export class ElementwiseOptimizer implements Optimizer {
  readonly #layout: ParameterLayout;
  readonly #choice: Exclude<OptimizerChoice, { kind: 'muon' }>;

  constructor(layout: ParameterLayout, choice: Exclude<OptimizerChoice, { kind: 'muon' }>) {
    this.#layout = layout;
    this.#choice = choice;
  }

  async update(state: OptimizerState, gradient: Float32Array, settings: UpdateSettings): Promise<number> {
    const scaled = clipped(gradient, settings.clipNorm);
    if (!Number.isFinite(scaled.norm)) return scaled.norm;
    if (this.#choice.kind === 'sgd') stepSgd(this.#layout.slots, state, scaled, { ...settings, ...this.#choice });
    else stepAdamW(this.#layout.slots, state, scaled, { ...settings, ...this.#choice });
    return scaled.norm;
  }

  async release(): Promise<void> {
    // holds nothing
  }
}
