import { invariant } from '../../common/invariant.js';
import { constant, type Emitter, imageDims, sharedTerm, type Term } from '../term.js';
import { blockedConv, type FusedActivation } from './nchwc.js';
import { add, clip, hardSigmoid, mul, scaleBy, sub, unary } from './standard.js';

/** The nonlinearities that a normalisation can be followed by. hSwish(x) = x * relu6(x + 3) / 6. */
export type TapeActivation = 'none' | 'relu' | 'relu6' | 'hSwish';

/**
 * Slope of the HardSigmoid that stands for a step function: 2^100 is exact in float32, so that `STEEP * x + STEEP * b` has the sign of
 * `x + b`, and any activation that is not 0 to within 2^-100 lands on 0 or 1.
 */
const STEEP = 2 ** 100;

/** [x > 0] as 0 or 1. */
function step(e: Emitter, x: Term): Term {
  return hardSigmoid(e, x, STEEP, 0);
}

/**
 * relu6(x + 3) / 6, the factor of hSwish; once for its forward and backward. ONNX has an operator for their product, but the runtime has no
 * kernel: it would write these two nodes in its place, which costs a fifth of the time that a session takes to be made.
 */
function gate(e: Emitter, x: Term): Term {
  return sharedTerm(e, `gate ${x.value}`, () => hardSigmoid(e, x, 1 / 6, 0.5));
}

/** The activation in the form that a blocked convolution applies itself; `undefined` where there is none to apply or it cannot. */
export function fusedActivation(activation: TapeActivation): FusedActivation | undefined {
  if (activation === 'relu') return { kind: 'Relu' };
  if (activation === 'relu6') return { kind: 'Clip', low: 0, high: 6 };
  return undefined;
}

/** Whether {@link activationGradient} needs the activation's argument (else its result is enough). */
export const needsArgument = (activation: TapeActivation): boolean => activation === 'hSwish';

/** Applies an activation; any layout. */
export function activate(e: Emitter, x: Term, activation: TapeActivation): Term {
  switch (activation) {
    case 'none':
      return x;
    case 'relu':
      return unary(e, 'Relu', x);
    case 'relu6':
      return clip(e, x, 0, 6);
    case 'hSwish':
      return mul(e, x, gate(e, x));
  }
}

/** An activation's result `y` and, where {@link needsArgument} says so, its argument `x`. */
export interface Activated {
  readonly y: Term;
  readonly x?: Term;
}

/**
 * dy * activation'(x), at kinks the derivative from one side or their mean.
 * relu' = [y > 0]; relu6' = [0 < y] * [y < 6]; hSwish': {@link hSwishSlope}.
 */
export function activationGradient(e: Emitter, activation: TapeActivation, dy: Term, { y, x }: Activated): Term {
  switch (activation) {
    case 'none':
      return dy;
    case 'relu':
      return mul(e, dy, step(e, y));
    case 'relu6':
      return mul(e, dy, mul(e, step(e, y), hardSigmoid(e, y, -STEEP, 6 * STEEP)));
    case 'hSwish':
      invariant(x !== undefined, () => 'the gradient of hSwish needs its argument');
      return mul(e, dy, x.layout === 'blocked' ? blockedHSwishSlope(e, x) : hSwishSlope(e, x));
  }
}

/**
 * hSwish'(x) = u / 3 + 1/2 + s with u = clip(x, -3, 3), which is right between the kinks, and s = 1/2 below, 0 between and -1/2 above them:
 * s = clip(-STEEP * (x - u), -1/2, 1/2).
 */
function hSwishSlope(e: Emitter, x: Term): Term {
  const u = clip(e, x, -3, 3);
  return add(e, scaleBy(e, u, 1 / 3), hardSigmoid(e, sub(e, x, u), -STEEP, 0.5)); // this hard sigmoid is s + 1/2
}

/**
 * {@link hSwishSlope} in three passes: depthwise 1x1 convolutions with constant weights, which add and clip on the way, the second and third
 * in the memory of what they add. Between the kinks u / 3 + 1/2 is 2 * gate - 1/2, and so it is beyond them.
 */
function blockedHSwishSlope(e: Emitter, x: Term): Term {
  const [, c] = imageDims(x);
  const weight = (value: number): Term => ({ ...constant(e, [c, 1, 1, 1], value), layout: 'blocked' }); // one tap: no order
  const clipTo = (limit: number): FusedActivation => ({ kind: 'Clip', low: -limit, high: limit });
  const u = blockedConv(e, x, { weight: weight(STEEP), group: c, activation: clipTo(3 * STEEP) }); // STEEP * u, exactly
  const s = blockedConv(e, x, { weight: weight(-STEEP), group: c, sum: u, activation: clipTo(0.5) });
  return blockedConv(e, gate(e, x), { weight: weight(2), bias: constant(e, [c], -0.5), group: c, sum: s });
}

/** dy * hardSigmoid'(x) from its result y: 1/6 where 0 < y < 1. */
export function hardSigmoidGradient(e: Emitter, dy: Term, y: Term): Term {
  const inside = mul(e, step(e, y), hardSigmoid(e, y, -STEEP, STEEP));
  return scaleBy(e, mul(e, dy, inside), 1 / 6);
}
