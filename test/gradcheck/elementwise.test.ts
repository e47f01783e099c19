import { describe, it } from 'vitest';
import { checkGradients, LOWERINGS } from './harness.js';
import { activations, add, globalPool, kinks, linear, make, map, scaleChannels } from './reference.js';

const IMAGES = [{ dims: [2, 16, 3, 3] }, { dims: [1, 32, 4, 4] }, { dims: [3, 5, 2, 2] }] as const;

describe.each(LOWERINGS)('elementwise operations, $name', ({ lowering, absent }) => {
  describe.skipIf(absent).each(['relu', 'relu6', 'hSwish'] as const)('%s', (kind) => {
    it.each([...IMAGES, { dims: [4, 10] }])('$dims', async ({ dims }) => {
      const x = { dims, spread: 4, mean: 1, kinks: kinks[kind] }; // wide enough to reach all pieces
      const reference = (inputs: { readonly x: Parameters<typeof map>[0] }) => map(inputs.x, activations[kind]);
      await checkGradients({ kind, inputs: { x }, attributes: {}, reference }, lowering);
    });
  });

  describe.skipIf(absent)('add', () => {
    it.each(IMAGES)('$dims', async ({ dims }) => {
      const inputs = { a: { dims }, b: { dims } };
      await checkGradients({ kind: 'add', inputs, attributes: {}, reference: ({ a, b }) => add(a, b) }, lowering);
    });
  });

  describe.skipIf(absent)('squeezeExcite', () => {
    it.each(IMAGES)('$dims', async ({ dims }) => {
      const [channels = 0, middle] = [dims[1], 6];
      const inputs = {
        x: { dims },
        reduceWeight: { dims: [middle, channels] },
        reduceBias: { dims: [middle] },
        expandWeight: { dims: [channels, middle] },
        expandBias: { dims: [channels], spread: 4 }, // some of the factors are 0 or 1
      };
      const reference = (given: Readonly<Record<keyof typeof inputs, Parameters<typeof map>[0]>>) => {
        const hidden = map(linear(globalPool(given.x), given.reduceWeight, given.reduceBias), activations.relu);
        const scale = map(linear(hidden, given.expandWeight, given.expandBias), activations.hardSigmoid);
        return scaleChannels(given.x, scale);
      };
      await checkGradients({ kind: 'squeezeExcite', inputs, attributes: {}, reference }, lowering);
    });
  });

  describe.skipIf(absent)('globalPool', () => {
    it.each(IMAGES)('$dims', async ({ dims }) => {
      const inputs = { x: { dims } };
      await checkGradients(
        { kind: 'globalPool', inputs, attributes: {}, reference: ({ x }) => globalPool(x) },
        lowering,
      );
    });
  });

  describe.skipIf(absent)('reshape', () => {
    it.each([
      { from: [2, 16, 3, 3], to: [2, 144] },
      { from: [4, 6], to: [2, 3, 4] },
      { from: [8], to: [2, 2, 2] },
    ])('$from -> $to', async ({ from, to }) => {
      const reference = ({ x }: { readonly x: Parameters<typeof map>[0] }) => make(to, (i) => x.data[i]!);
      await checkGradients(
        { kind: 'reshape', inputs: { x: { dims: from } }, attributes: { dims: to }, reference },
        lowering,
      );
    });
  });
});
