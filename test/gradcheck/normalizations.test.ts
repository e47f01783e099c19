import { describe, it } from 'vitest';
import type { TapeActivation } from '../../src/autodiff/primitives/activation.js';
import { checkGradients, LOWERINGS } from './harness.js';
import { activations, batchNorm, conv, map, type Reference } from './reference.js';

const EPSILON = 1e-5;

interface Shape {
  readonly n: number;
  readonly channels: number;
  readonly size: number;
  readonly activation: TapeActivation;
}

/**
 * Pre-activations cannot be set directly, so gamma and beta keep them off the kinks: at most |gamma| * sqrt(N * H * W) away from beta.
 * Channels alternate between the activation's pieces.
 */
const PIECES: Readonly<Record<TapeActivation, readonly number[]>> = {
  none: [0],
  relu: [-2, 2],
  relu6: [-2, 3, 9],
  hSwish: [-6, 0, 6],
};

/** gamma small and beta at the middle of a piece, so that no entry crosses a kink. */
function affineOf({ activation, channels }: Shape) {
  const centers = PIECES[activation];
  return {
    gamma: { dims: [channels], mean: 0.1, spread: 0.03 },
    beta: { dims: [channels], values: Array.from({ length: channels }, (_, c) => centers[c % centers.length]!) },
  };
}

const SHAPES: readonly Shape[] = (['none', 'relu', 'relu6', 'hSwish'] as const).flatMap((activation) => [
  { n: 4, channels: 16, size: 4, activation },
  { n: 2, channels: 32, size: 5, activation },
  { n: 3, channels: 6, size: 3, activation }, // no multiple of a block
]);

describe.each(LOWERINGS)('normalisations, $name', ({ lowering, absent }) => {
  describe.skipIf(absent)('batchNorm', () => {
    it.each(SHAPES)('$n x $channels, size $size, then $activation', async (shape) => {
      const { n, channels, size, activation } = shape;
      await checkGradients(
        {
          kind: 'batchNorm',
          inputs: { x: { dims: [n, channels, size, size], mean: 0.5 }, ...affineOf(shape) },
          attributes: { epsilon: EPSILON, activation },
          reference: ({ x, gamma, beta }) => map(batchNorm(x, gamma, beta, EPSILON), activations[activation]),
        },
        lowering,
      );
    });
  });

  describe.skipIf(absent)('pointwiseBatchNorm', () => {
    it.each(SHAPES.map((shape) => ({ ...shape, inputs: shape.channels === 6 ? 4 : 16 })))(
      '$n x $inputs -> $channels, size $size, then $activation',
      async ({ inputs, ...shape }) => {
        const { n, channels, size, activation } = shape;
        const normalized = (x: Reference, weight: Reference, gamma: Reference, beta: Reference): Reference =>
          batchNorm(conv(x, weight, { stride: 1, padding: 0, groups: 1 }), gamma, beta, EPSILON);
        await checkGradients(
          {
            kind: 'pointwiseBatchNorm',
            inputs: {
              x: { dims: [n, inputs, size, size], mean: 0.5 },
              weight: { dims: [channels, inputs, 1, 1], spread: inputs ** -0.5 },
              ...affineOf(shape),
            },
            attributes: { epsilon: EPSILON, activation },
            reference: ({ x, weight, gamma, beta }) => map(normalized(x, weight, gamma, beta), activations[activation]),
          },
          lowering,
        );
      },
    );
  });
});
