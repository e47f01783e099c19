import { invariant } from '../../common/invariant.js';
import { gather, pad } from '../primitives/standard.js';
import { type Emitter, imageDims, reshape, showDims, type Term } from '../term.js';
import type { Rule } from './op-table.js';

/** The centre `kernel` x `kernel` taps of depthwise weights `[C, 1, K, K]`, flattened row-major: `[C, kernel * kernel]`. */
export function cropTaps(e: Emitter, weight: Term, kernel: number): Term {
  const [channels, perGroup, full, width] = imageDims(weight);
  const margin = (full - kernel) / 2;
  invariant(
    perGroup === 1 && full === width && margin > 0 && Number.isInteger(margin),
    () => `weights ${showDims(weight.dims)} have no centre of ${kernel} x ${kernel} taps`,
  );
  const taps = Array.from({ length: kernel * kernel }, (_, tap) => {
    const row = margin + Math.floor(tap / kernel);
    return row * full + margin + (tap % kernel);
  });
  return gather(e, reshape(e, weight, [channels, full * full]), taps, 1);
}

/** The gradient of {@link cropTaps}: zeros around, `[C, kernel * kernel]` -> `dims` `[C, 1, K, K]`. */
export function padTaps(e: Emitter, gradient: Term, kernel: number, dims: readonly number[]): Term {
  const [channels = 0, , full = 0] = dims;
  const margin = (full - kernel) / 2;
  const around = [0, 0, margin, margin];
  return pad(e, reshape(e, gradient, [channels, 1, kernel, kernel]), around, around);
}

/**
 * A smaller depthwise kernel as the centre of a larger one: `[C, 1, K, K]` -> `[C, 1, k, k]`; the gradient is padded with zeros.
 *
 * Source: Cai et al. 2020, section 3.3 (elastic kernel size), without the learned transform.
 */
export const centerCrop: Rule<'centerCrop'> = {
  forward(e, { weight }, { kernel }) {
    const [channels] = imageDims(weight);
    return { output: reshape(e, cropTaps(e, weight, kernel), [channels, 1, kernel, kernel]) };
  },
  backward: (e, { inputs: { weight }, attributes: { kernel }, gradient }) => ({
    weight: () => padTaps(e, gradient, kernel, weight.dims),
  }),
};
