import { describe, expect, it } from 'vitest';
import { type TrainingView, trainingPlot } from '../../../src/report/training-plot.js';
import { openTags } from './markup.js';

const line = (name: string, at: (x: number) => number, count = 20) => ({
  name,
  points: Array.from({ length: count }, (_, i): [number, number] => [(i + 1) * 1000, at(i + 1)]),
});

const VIEW: TrainingView = {
  title: 'Training by the recipe "a < b"',
  subtitle: 'step 20 of 40',
  phases: [
    { name: 'full', images: 0 },
    { name: 'elastic', images: 12_000 },
  ],
  loss: [line('largest', (x) => 1 / x), line('smallest', (x) => 2 / x), line('random', (x) => 1.5 / x)],
  top1: [line('largest', (x) => 1 - 1 / (x + 1), 4)],
  learningRate: line('lr', (x) => 1 / x).points,
};

/** Points of every drawn line, in drawing order. */
function drawnLines(svg: string): number[] {
  return [...svg.matchAll(/aria-roledescription="line mark"[^>]* d="([^"]*)"/g)].map(
    ([, path = '']) => path.split(/[ML]/).length - 1,
  );
}

describe('the figure of a training run', () => {
  it('has a line per role, one of top-1, one of the learning rate, every point drawn', async () => {
    expect(drawnLines(await trainingPlot(VIEW))).toEqual([20, 20, 20, 4, 20]);
  });

  it('names roles, axes and phases, and marks where a phase begins in every panel', async () => {
    const svg = await trainingPlot(VIEW);
    for (const text of ['largest', 'smallest', 'random', 'images seen', 'held-out top-1', 'full', 'elastic']) {
      expect(svg).toContain(`>${text}<`);
    }
    expect(svg.match(/aria-roledescription="rule mark"/g)).toHaveLength(3);
  });

  it('stands by itself: whole markup, dark colors, a text alternative, nothing from elsewhere', async () => {
    const svg = await trainingPlot(VIEW);
    expect(openTags(svg)).toEqual([]);
    expect(svg).toMatch(/^<svg[^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(svg).toContain('prefers-color-scheme:dark');
    expect(svg).toContain(
      'last loss: largest 0.050, smallest 0.100, random 0.075; last held-out top-1: largest 80.0 %',
    );
    expect(svg).not.toMatch(/<(script|image|foreignObject)|url\(http|href=/);
  });

  it('thins out long runs by means, and keeps their last point', async () => {
    const long = { ...VIEW, loss: [line('largest', (x) => x % 2, 40_001)], top1: [], learningRate: [] };
    const svg = await trainingPlot(long);
    expect(drawnLines(svg)[0]).toBeLessThanOrEqual(300);
    expect(svg).toContain('last loss: largest 1.000');
    expect(svg.length).toBeLessThan(60_000);
  });

  it('leaves out the panel of top-1 before the first validation, and draws a run that has just begun', async () => {
    const begun = { ...VIEW, phases: VIEW.phases.slice(0, 1), loss: [], top1: [], learningRate: [] };
    const svg = await trainingPlot(begun);
    expect(openTags(svg)).toEqual([]);
    expect(svg).not.toContain('held-out top-1');
  });

  it('shortens names of phases where they have no room', async () => {
    const phases = [...VIEW.phases, { name: 'a phase with a very long name', images: 18_000 }];
    const svg = await trainingPlot({ ...VIEW, phases });
    expect(svg).not.toContain('a phase with a very long name');
    expect(svg).toContain('a phase…');
  });
});
