import { invariant } from '../../common/invariant.js';
import { constant, type Emitter, imageDims, type Term } from '../term.js';
import { blockedConv, type FusedActivation } from './nchwc.js';
import { add, clip, hardSigmoid, mul, scaleBy, shrink, sub, unary } from './standard.js';

/** The nonlinearities that a normalisation can be followed by. hSwish(x) = x * relu6(x + 3) / 6. */
export type TapeActivation = 'none' | 'relu' | 'relu6' | 'hSwish';

/**
 * Slope of the HardSigmoid that stands for a step function: 2^100 is exact in float32, so that `STEEP * x + STEEP * b` has the sign of
 * `x + b`, and any activation that is not 0 to within 2^-100 lands on 0 or 1.
 */
const STEEP = 2 ** 100;

/** [x > threshold] as 0 or 1 (a half never occurs but within 2^-100 of the threshold). */
function step(e: Emitter, x: Term, threshold: number): Term {
  return hardSigmoid(e, x, STEEP, -STEEP * threshold);
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
      return unary(e, 'HardSwish', x);
  }
}

/** An activation's result `y` and, where {@link needsArgument} says so, its argument `x`. */
export interface Activated {
  readonly y: Term;
  readonly x?: Term;
}

/**
 * dy * activation'(x), at kinks the derivative from one side.
 * relu' = [y > 0]; relu6' = [y > 0] - [y >= 6] (y never exceeds 6, so [y >= 6] is 1 - [y < 6]);
 * hSwish' = 2 t - ([x > -3] + [x > 3]) / 2 with t = hardSigmoid(x) = clip(x / 6 + 1/2, 0, 1).
 */
export function activationGradient(e: Emitter, activation: TapeActivation, dy: Term, { y, x }: Activated): Term {
  switch (activation) {
    case 'none':
      return dy;
    case 'relu':
      return mul(e, dy, step(e, y, 0));
    case 'relu6':
      return mul(e, dy, mul(e, step(e, y, 0), hardSigmoid(e, y, -STEEP, 6 * STEEP)));
    case 'hSwish': {
      invariant(x !== undefined, () => 'the gradient of hSwish needs its argument');
      if (x.layout === 'blocked') return mul(e, dy, blockedHSwishSlope(e, x));
      const smooth = scaleBy(e, hardSigmoid(e, x, 1 / 6, 0.5), 2);
      const steps = scaleBy(e, add(e, step(e, x, -3), step(e, x, 3)), 0.5);
      return mul(e, dy, sub(e, smooth, steps));
    }
  }
}

/**
 * hSwish'(x) in few passes: clip(x / 3 + 1/2, -1/2, 3/2), which is right between the kinks, plus 1/2 below and -1/2 above them, which is
 * how far that is off there. Both are depthwise 1x1 convolutions with constant weights and a clip.
 */
function blockedHSwishSlope(e: Emitter, x: Term): Term {
  const [, c] = imageDims(x);
  const clipped = (of: Term, scale: number, shift: number, low: number, high: number): Term =>
    blockedConv(e, of, {
      weight: { ...constant(e, [c, 1, 1, 1], scale), layout: 'blocked' },
      bias: constant(e, [c], shift),
      group: c,
      activation: { kind: 'Clip', low, high },
    });
  const beyond = shrink(e, x, 3, 3); // 0 between the kinks, elsewhere of the sign of x
  return add(e, clipped(x, 1 / 3, 0.5, -0.5, 1.5), clipped(beyond, -STEEP, 0, -0.5, 0.5));
}

/** dy * hardSigmoid'(x) from its result y: 1/6 where 0 < y < 1. */
export function hardSigmoidGradient(e: Emitter, dy: Term, y: Term): Term {
  const inside = mul(e, step(e, y, 0), hardSigmoid(e, y, -STEEP, STEEP));
  return scaleBy(e, mul(e, dy, inside), 1 / 6);
}
