import { describe, it } from 'vitest';
import { checkGradients, LOWERINGS } from './harness.js';
import { conv } from './reference.js';

describe.each(LOWERINGS)('convolutions, $name', ({ lowering, absent }) => {
  describe.skipIf(absent)('conv', () => {
    it.each([
      { n: 2, inputs: 1, out: 16, size: 6, kernel: 3, stride: 1 },
      { n: 3, inputs: 3, out: 32, size: 7, kernel: 3, stride: 2 },
      { n: 2, inputs: 3, out: 16, size: 6, kernel: 5, stride: 2 },
      { n: 2, inputs: 5, out: 4, size: 5, kernel: 3, stride: 1 }, // no multiple of a block
      { n: 1, inputs: 16, out: 16, size: 4, kernel: 3, stride: 2 },
      { n: 2, inputs: 4, out: 8, size: 5, kernel: 1, stride: 2 },
    ])('$n x $inputs -> $out, size $size, kernel $kernel, stride $stride', async (shape) => {
      const { n, inputs, out, size, kernel, stride } = shape;
      const attributes = { stride, padding: Math.floor(kernel / 2) };
      await checkGradients(
        {
          kind: 'conv',
          inputs: { x: { dims: [n, inputs, size, size] }, weight: { dims: [out, inputs, kernel, kernel] } },
          attributes,
          reference: ({ x, weight }) => conv(x, weight, { ...attributes, groups: 1 }),
        },
        lowering,
      );
    });
  });

  describe.skipIf(absent)('pointwise', () => {
    it.each([
      { n: 2, inputs: 16, out: 32, size: 4 },
      { n: 3, inputs: 32, out: 16, size: 3 },
      { n: 2, inputs: 32, out: 32, size: 1 },
      { n: 2, inputs: 12, out: 20, size: 3 }, // no multiple of a block
      { n: 1, inputs: 20, out: 16, size: 5 },
      { n: 1, inputs: 16, out: 32, size: 8 }, // pixels of an image fill blocks
      { n: 2, inputs: 16, out: 16, size: 8 },
      { n: 4, inputs: 32, out: 48, size: 2 }, // pixels of all images fill blocks
      { n: 4, inputs: 48, out: 32, size: 2 },
    ])('$n x $inputs -> $out, size $size', async ({ n, inputs, out, size }) => {
      await checkGradients(
        {
          kind: 'pointwise',
          inputs: { x: { dims: [n, inputs, size, size] }, weight: { dims: [out, inputs, 1, 1] } },
          attributes: {},
          reference: ({ x, weight }) => conv(x, weight, { stride: 1, padding: 0, groups: 1 }),
        },
        lowering,
      );
    });
  });

  describe.skipIf(absent)('depthwise', () => {
    it.each([
      { n: 2, channels: 16, size: 6, kernel: 3, stride: 1 },
      { n: 2, channels: 32, size: 5, kernel: 5, stride: 1 },
      { n: 1, channels: 16, size: 7, kernel: 7, stride: 1 },
      { n: 2, channels: 16, size: 6, kernel: 3, stride: 2 },
      { n: 2, channels: 16, size: 7, kernel: 5, stride: 2 },
      { n: 1, channels: 16, size: 8, kernel: 7, stride: 2 },
      { n: 1, channels: 16, size: 3, kernel: 7, stride: 2 }, // the kernel is wider than the map
      { n: 2, channels: 6, size: 5, kernel: 3, stride: 2 }, // no multiple of a block
      { n: 2, channels: 6, size: 4, kernel: 5, stride: 1 },
    ])('$n x $channels, size $size, kernel $kernel, stride $stride', async (shape) => {
      const { n, channels, size, kernel, stride } = shape;
      const attributes = { stride, padding: Math.floor(kernel / 2) };
      await checkGradients(
        {
          kind: 'depthwise',
          inputs: { x: { dims: [n, channels, size, size] }, weight: { dims: [channels, 1, kernel, kernel] } },
          attributes,
          reference: ({ x, weight }) => conv(x, weight, { ...attributes, groups: channels }),
        },
        lowering,
      );
    });
  });
});
