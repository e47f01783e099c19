import type { ParameterLayout } from './parameter-layout.js';

/** Settings of one update. */
export interface UpdateSettings {
  readonly lr: number;
  /** Nesterov momentum, 0..1. */
  readonly momentum: number;
  readonly weightDecay: number;
  /** Largest global L2 norm of the gradient; longer ones are scaled down. */
  readonly clipNorm: number;
}

/** L2 norm over all elements, accumulated in float64. */
export function globalNorm(gradient: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < gradient.length; i++) sum += gradient[i]! * gradient[i]!;
  return Math.sqrt(sum);
}

/** Weights with their momentum, updated in place; both flat and of the layout's size. */
export interface OptimizerState {
  readonly weights: Float32Array;
  readonly velocity: Float32Array;
}

/**
 * One step of SGD with Nesterov momentum over ALL parameters, in place: those no sub-network used this step have gradient zero,
 * and their momentum and decay still act (else the momentum of rarely sampled slices would stand still and jump later).
 * @param gradient flat, not changed
 * @returns the gradient's norm before clipping; not finite if training diverged, and then nothing is updated
 * Source: Sutskever et al. 2013 in the form of PyTorch's `optim.SGD(nesterov=True)`; clipping before decay, as `clip_grad_norm_` does
 */
export function updateWeights(
  layout: ParameterLayout,
  state: OptimizerState,
  gradient: Float32Array,
  settings: UpdateSettings,
): number {
  const norm = globalNorm(gradient);
  if (!Number.isFinite(norm)) return norm;
  const { lr, momentum, weightDecay, clipNorm } = settings;
  const scale = norm > clipNorm ? clipNorm / norm : 1;
  const { weights, velocity } = state;
  for (const { offset, size, decays } of layout.slots) {
    const decay = decays ? weightDecay : 0;
    for (let i = offset; i < offset + size; i++) {
      const g = gradient[i]! * scale + decay * weights[i]!;
      const v = momentum * velocity[i]! + g;
      velocity[i] = v;
      weights[i] = weights[i]! - lr * (g + momentum * v);
    }
  }
  return norm;
}
