import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LineProcess, startLineProcess } from '../../../bench/line-process.js';
import { makeRng } from '../../../src/common/rng.js';

/** A Python with PyTorch, as the benchmark looks for it; without one these tests are skipped, visibly. */
const python = ['python3', '/usr/bin/python3'].find(
  (command) => spawnSync(command, ['-c', 'import torch, numpy'], { stdio: 'ignore' }).status === 0,
);

/** A space of 2 * (4 + 16)^2 networks: small enough to list. */
const KERNELS = [3, 5];
const RATIOS = [3, 6];
const DEPTHS = [1, 2];
const RESOLUTIONS = [160, 176];
const SPACE = { kernelSizes: KERNELS, expandRatios: RATIOS, stages: [{ depths: DEPTHS }, { depths: DEPTHS }] };
const SLOTS = 4;
const CHOICES = 4;

interface Net {
  readonly kernelSizes: readonly number[];
  readonly expandRatios: readonly number[];
  readonly depths: readonly number[];
  readonly resolution: number;
}

interface Answer {
  readonly score: number;
  readonly arch: Net;
  readonly evaluations: number;
  readonly draws: number;
}

const rng = makeRng(11);
const draw = (): number => rng.next();
const perSlot = <T>(make: () => T): T[] => Array.from({ length: SLOTS }, make);
const perChoice = <T>(make: () => T): T[] => Array.from({ length: CHOICES }, make);
const terms = {
  unit: perSlot(() => perChoice(draw)),
  pair: perSlot(() => perChoice(() => perChoice(draw))),
  depth: [
    [0, draw(), draw()],
    [0, draw(), draw()],
  ],
  res: { 160: draw(), 176: draw() },
};
const costs = RESOLUTIONS.map((resolution) => ({
  resolution,
  fixed: resolution / 100,
  slots: perSlot(() => perChoice(() => 1 + draw())),
}));

/** Score and cost by the formula that the reference data's README tells, block by block. */
function judge(net: Net): { readonly score: number; readonly cost: number } {
  const table = costs.find(({ resolution }) => resolution === net.resolution)!;
  let score = terms.res[net.resolution as 160 | 176];
  let cost = table.fixed;
  net.depths.forEach((depth, stage) => {
    score += terms.depth[stage]![depth]!;
    for (let block = 0; block < depth; block++) {
      const slot = 2 * stage + block;
      const choiceOf = (at: number): number =>
        2 * KERNELS.indexOf(net.kernelSizes[at]!) + RATIOS.indexOf(net.expandRatios[at]!);
      score += terms.unit[slot]![choiceOf(slot)]!;
      if (block > 0) score += terms.pair[slot]![choiceOf(slot - 1)]![choiceOf(slot)]!;
      cost += table.slots[slot]![choiceOf(slot)]!;
    }
  });
  return { score, cost };
}

/** Every network, inactive slots included: each distinct one several times over. */
function everyNet(): Net[] {
  const nets: Net[] = [];
  for (let code = 0; code < CHOICES ** SLOTS; code++) {
    const choices = Array.from({ length: SLOTS }, (_, slot) => Math.floor(code / CHOICES ** slot) % CHOICES);
    for (const resolution of RESOLUTIONS) {
      for (const first of DEPTHS) {
        for (const second of DEPTHS) {
          nets.push({
            kernelSizes: choices.map((choice) => KERNELS[choice >> 1]!),
            expandRatios: choices.map((choice) => RATIOS[choice & 1]!),
            depths: [first, second],
            resolution,
          });
        }
      }
    }
  }
  return nets;
}

const LIMIT = 6.5;

describe.skipIf(python === undefined)('the published search in Python (needs PyTorch)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'bespoke-search-pytorch-'));
  let child: LineProcess;
  const search = (handling: string, seed: number, generations = 30): Promise<Answer> =>
    child.ask({ kind: 'search', problem: 'small', seed, generations, max: LIMIT, handling, byKeys: false });

  beforeAll(async () => {
    const file = join(dir, 'terms.json');
    writeFileSync(file, JSON.stringify(terms));
    child = startLineProcess('the published search', [python!, 'bench/search_pytorch.py'], {});
    const objective = { kind: 'synthetic', file };
    await child.ask({ kind: 'open', problem: 'small', space: SPACE, resolutions: RESOLUTIONS, objective, costs });
  });
  afterAll(() => {
    child?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('has the score and the cost of the formula', async () => {
    const archs = everyNet().filter((_, index) => index % 7 === 0);
    const found = await child.ask<{ scores: number[]; costs: number[] }>({ kind: 'score', problem: 'small', archs });
    archs.forEach((arch, index) => {
      expect(found.scores[index]).toBeCloseTo(judge(arch).score, 12);
      expect(found.costs[index]).toBeCloseTo(judge(arch).cost, 12);
    });
  });

  // One search alone may stall: as published, copies of one network fill the parents.
  it.each(['published', 'lean'])(
    'finds the optimum of a small space in some of 12 searches, handled as %s',
    async (handling) => {
      const feasible = everyNet().filter((net) => judge(net).cost <= LIMIT);
      expect(feasible.length).toBeLessThan(everyNet().length); // the limit binds
      const scores: number[] = [];
      for (let seed = 1; seed <= 12; seed++) {
        const { score, arch, evaluations, draws } = await search(handling, seed);
        expect(judge(arch).score).toBeCloseTo(score, 12);
        expect(judge(arch).cost).toBeLessThanOrEqual(LIMIT);
        expect(evaluations).toBe(3_100);
        expect(draws).toBeGreaterThan(evaluations); // some were drawn again
        scores.push(score);
      }
      expect(Math.max(...scores)).toBeCloseTo(Math.max(...feasible.map((net) => judge(net).score)), 12);
    },
  );

  it('gives the same result for the same seed, and another for another', async () => {
    const [first, again, other] = [
      await search('published', 5),
      await search('published', 5),
      await search('published', 6),
    ];
    expect([again.arch, again.draws]).toEqual([first.arch, first.draws]);
    expect(other.draws).not.toBe(first.draws);
  });

  it('scores the children of the last generation and does not look at them', async () => {
    const [before, after] = [await search('lean', 8, 0), await search('lean', 8, 1)];
    expect(after.score).toBe(before.score);
    expect(after.evaluations).toBe(before.evaluations + 100);
  });

  it('says what it does not know', async () => {
    await expect(child.ask({ kind: 'search', problem: 'none' })).rejects.toThrow('KeyError');
  });
});
