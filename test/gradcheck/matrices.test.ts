import { describe, it } from 'vitest';
import { checkGradients, LOWERINGS } from './harness.js';
import { kernelTransform, linear, softTargetCrossEntropy } from './reference.js';

describe.each(LOWERINGS)('matrix operations, $name', ({ lowering, absent }) => {
  describe.skipIf(absent)('linear', () => {
    it.each([
      { n: 4, inputs: 8, out: 10 },
      { n: 1, inputs: 5, out: 3 },
      { n: 7, inputs: 16, out: 32 },
    ])('$n x $inputs -> $out', async ({ n, inputs, out }) => {
      await checkGradients(
        {
          kind: 'linear',
          inputs: { x: { dims: [n, inputs] }, weight: { dims: [out, inputs] }, bias: { dims: [out] } },
          attributes: {},
          reference: ({ x, weight, bias }) => linear(x, weight, bias),
        },
        lowering,
      );
    });
  });

  describe.skipIf(absent)('kernelTransform', () => {
    it.each([
      { channels: 16, from: 7, to: 5 },
      { channels: 4, from: 5, to: 3 },
      { channels: 3, from: 7, to: 3 },
    ])('$channels channels, $from -> $to', async ({ channels, from, to }) => {
      await checkGradients(
        {
          kind: 'kernelTransform',
          inputs: { weight: { dims: [channels, 1, from, from] }, matrix: { dims: [to * to, to * to] } },
          attributes: { kernel: to },
          reference: ({ weight, matrix }) => kernelTransform(weight, to, matrix),
        },
        lowering,
      );
    });
  });

  describe.skipIf(absent)('centerCrop', () => {
    it.each([
      { channels: 16, from: 7, to: 5 },
      { channels: 4, from: 5, to: 3 },
      { channels: 3, from: 7, to: 3 },
    ])('$channels channels, $from -> $to', async ({ channels, from, to }) => {
      await checkGradients(
        {
          kind: 'centerCrop',
          inputs: { weight: { dims: [channels, 1, from, from] } },
          attributes: { kernel: to },
          reference: ({ weight }) => kernelTransform(weight, to),
        },
        lowering,
      );
    });
  });

  describe.skipIf(absent)('softTargetCrossEntropy', () => {
    it.each([
      { n: 4, classes: 10 },
      { n: 1, classes: 3 },
      { n: 6, classes: 17 },
    ])('$n x $classes', async ({ n, classes }) => {
      const dims = [n, classes];
      await checkGradients(
        {
          kind: 'softTargetCrossEntropy',
          inputs: { logits: { dims, spread: 2 }, targets: { dims, distribution: true, fixed: true } },
          attributes: {},
          reference: ({ logits, targets }) => softTargetCrossEntropy(logits, targets),
        },
        lowering,
      );
    });
  });
});
