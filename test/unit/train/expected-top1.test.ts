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

/** Root mean square of what is left of the differences when the mean difference, which is for all, is taken out. */
function errorOf(values: ArrayLike<number>, truth: readonly number[]): number {
  const differences = truth.map((value, i) => values[i]! - value);
  const level = mean(differences);
  return Math.sqrt(mean(differences.map((difference) => (difference - level) ** 2)));
}

const none = new Float32Array(0);
const top1Of = (labels: readonly ArchLabel[]): number[] => labels.map(({ top1 }) => top1);

describe('the top-1 to expect on other images', () => {
  const { quality, labels } = judged(makeRng(8), 300, 2000);
  const measured = top1Of(labels);

  it('ranks networks better than top-1 as measured does', () => {
    const chance = 1 - spearman(measured, quality);
    expect(chance).toBeGreaterThan(0.08);
    expect(1 - spearman(expectedTop1(labels, none), quality)).toBeLessThan(chance / 2);
  });

  it('is in the unit of top-1: nearer to a measurement on other images than a measurement is, of equal mean', () => {
    const rng = makeRng(9);
    const expected = expectedTop1(labels, none);
    expect(mean([...expected])).toBeCloseTo(mean(measured), 12);
    // The lead of network and image is normal: P(lead > 0) by the same networks on many images, in the mean over their difficulty.
    const many = Array.from({ length: 20_000 }, () => 2 + Math.hypot(1.5, 0.5) * rng.normal());
    const truth = quality.map((own) => many.filter((lead) => lead + own > 0).length / many.length);
    expect(errorOf(expected, truth)).toBeLessThan(0.6 * errorOf(measured, truth));
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

  it('does not take from the architecture what is the chance of one half', () => {
    const rng = makeRng(10);
    const features = 20;
    const encoding = Float32Array.from({ length: labels.length * features }, () => (rng.chance(0.5) ? 1 : 0));
    const effects = Array.from({ length: features }, () => [0.004 * rng.normal(), 0.004 * rng.normal()] as const);
    const lucky = labels.map((label, i): ArchLabel => {
      const chanceOf = (half: 0 | 1): number =>
        effects.reduce((sum, effect, j) => sum + effect[half] * encoding[i * features + j]!, 0);
      const halves = [label.halves[0] + chanceOf(0), label.halves[1] + chanceOf(1)] as const;
      return { ...label, halves, top1: mean(halves) };
    });
    // Free weights for the encoding would leave the whole of it: as much as is in top-1.
    const ofChance = errorOf(top1Of(lucky), top1Of(labels));
    expect(ofChance).toBeGreaterThan(0.004);
    expect(errorOf(expectedTop1(lucky, encoding), [...expectedTop1(labels, none)])).toBeLessThan(ofChance / 3);
  });

  it('keeps to top-1 where soft top-1 tells nothing', () => {
    const rng = makeRng(11);
    const deaf = labels.map((label): ArchLabel => ({ ...label, soft: [rng.next(), rng.next()] }));
    expect(spearman(expectedTop1(deaf, none), measured)).toBeGreaterThan(0.98);
    const constant = labels.map((label): ArchLabel => ({ ...label, soft: [0.5, 0.5] }));
    expect(spearman(expectedTop1(constant, none), measured)).toBeGreaterThan(0.9999);
  });

  it('is no further off than top-1 as measured where labels are fewer than the encoding has features', () => {
    for (const networks of [8, 30, 60]) {
      const rng = makeRng(12).fork(networks);
      const few = judged(rng, networks, 2000);
      const encoding = Float32Array.from({ length: networks * 60 }, () => (rng.chance(0.5) ? 1 : 0));
      const truth = few.quality.map((own) => 0.12 * own); // top-1 per lead, about: the density of leads at 0
      expect(errorOf(expectedTop1(few.labels, encoding), truth)).toBeLessThan(errorOf(top1Of(few.labels), truth));
    }
  });

  it('is one number for one label, and stays within 0..1', () => {
    expect([...expectedTop1(labels.slice(0, 1), none)]).toEqual([measured[0]]);
    const sure: ArchLabel = { top1: 1, halves: [1, 1], soft: [0.99, 0.99] };
    const less: ArchLabel = { top1: 0.99, halves: [1, 0.98], soft: [0.95, 0.9] };
    for (const value of expectedTop1([sure, less, sure, sure, sure], none)) {
      expect(value).toBeGreaterThan(0.9);
      expect(value).toBeLessThanOrEqual(1);
    }
  });
});
