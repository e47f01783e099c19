import { describe, expect, it } from 'vitest';
import { spearman } from '../../../src/common/rank-correlation.js';
import { makeRng, type Rng } from '../../../src/common/rng.js';
import { expectedTop1 } from '../../../src/train/predictor/expected-top1.js';
import type { ArchLabel } from '../../../src/train/predictor/label.js';

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Networks of hidden quality, judged on images of hidden difficulty: an image's label leads by both, and by what the two have with each other. */
function judged(rng: Rng, networks: number, images: number) {
  const difficulty = Array.from({ length: images }, () => 2 + 1.5 * rng.normal());
  const middle = images >> 1;
  const quality: number[] = [];
  const labels: ArchLabel[] = [];
  for (let i = 0; i < networks; i++) {
    const own = 0.06 * rng.normal();
    const leads = difficulty.map((base) => base + own + 0.5 * rng.normal());
    const correct = leads.map((lead) => (lead > 0 ? 1 : 0));
    const soft = leads.map((lead) => 1 / (1 + Math.exp(-lead)));
    quality.push(own);
    labels.push({
      top1: mean(correct),
      halves: [mean(correct.slice(0, middle)), mean(correct.slice(middle))],
      soft: [mean(soft.slice(0, middle)), mean(soft.slice(middle))],
    });
  }
  return { quality, labels };
}

const rootMeanSquare = (values: readonly number[]): number => Math.sqrt(mean(values.map((value) => value ** 2)));

describe('the top-1 to expect on other images', () => {
  const rng = makeRng(8);
  const { quality, labels } = judged(rng, 300, 2000);
  const none = new Float32Array(0);
  const measured = labels.map(({ top1 }) => top1);

  it('ranks networks better than top-1 as measured does', () => {
    const expected = expectedTop1(labels, none);
    const chance = 1 - spearman(measured, quality);
    expect(chance).toBeGreaterThan(0.08);
    expect(1 - spearman(expected, quality)).toBeLessThan(chance / 2);
  });

  it('is in the unit of top-1: nearer to a measurement on other images than a measurement is, of equal mean', () => {
    const expected = expectedTop1(labels, none);
    expect(mean([...expected])).toBeCloseTo(mean(measured), 12);
    // The lead of network and image is normal: P(lead > 0) by the same networks on many images, in the mean over their difficulty.
    const many = Array.from({ length: 20_000 }, () => 2 + Math.hypot(1.5, 0.5) * rng.normal());
    const truth = quality.map((own) => many.filter((lead) => lead + own > 0).length / many.length);
    const level = mean(truth) - mean(measured); // these images are harder or easier than others, for all
    const errorOf = (values: ArrayLike<number>): number =>
      rootMeanSquare(truth.map((value, i) => values[i]! + level - value));
    expect(errorOf(expected)).toBeLessThan(0.6 * errorOf(measured));
  });

  it('takes from the architecture what soft top-1 does not tell', () => {
    // Every other network leads less surely: its soft top-1 is lower at the same top-1.
    const kind = Float32Array.from(labels, (_, i) => i % 2);
    const shifted = labels.map((label, i): ArchLabel => {
      const less = 0.02 * kind[i]!;
      return { ...label, soft: [label.soft[0] - less, label.soft[1] - less] };
    });
    const blind = expectedTop1(shifted, none);
    const seeing = expectedTop1(shifted, kind);
    expect(1 - spearman(seeing, quality)).toBeLessThan((1 - spearman(blind, quality)) / 2);
  });

  it('keeps to top-1 where soft top-1 tells nothing', () => {
    const deaf = labels.map((label): ArchLabel => ({ ...label, soft: [rng.next(), rng.next()] }));
    expect(spearman(expectedTop1(deaf, none), measured)).toBeGreaterThan(0.98);
    const constant = labels.map((label): ArchLabel => ({ ...label, soft: [0.5, 0.5] }));
    expect(spearman(expectedTop1(constant, none), measured)).toBeGreaterThan(0.9999);
  });

  it('is about the measured one where labels are fewer than what they are fitted to', () => {
    const few = labels.slice(0, 8);
    const encoding = Float32Array.from({ length: 8 * 40 }, () => (rng.next() < 0.5 ? 1 : 0));
    expectedTop1(few, encoding).forEach((value, i) => {
      expect(Math.abs(value - few[i]!.top1)).toBeLessThan(0.01);
    });
  });
});
