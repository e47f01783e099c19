import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseSpace } from '../../../src/space/parse-space.js';
import { parseRecipe, scaleRecipe } from '../../../src/train/recipe.js';

const root = new URL('../../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const space = parseSpace(JSON.parse(read('models/fashion-mnist/space.json')), 'space.json');
const sandwich = read('scripts/recipes/sandwich.json');
/** The sandwich recipe with members of its first phase replaced. */
function withPhase(changes: Record<string, unknown>): string {
  const recipe = JSON.parse(sandwich) as { phases: Record<string, unknown>[] };
  return JSON.stringify({ ...recipe, phases: [{ ...recipe.phases[0], ...changes }] });
}

describe('parseRecipe', () => {
  it.each(readdirSync(new URL('scripts/recipes', root)))('reads the shipped recipe %s', (file) => {
    const recipe = parseRecipe(read(`scripts/recipes/${file}`), file, space);
    expect(`${recipe.name}.json`).toBe(file);
  });

  it("opens all of the space's choices unless told", () => {
    const { elastic } = parseRecipe(sandwich, 'r', space).phases[0]!;
    expect(elastic).toEqual({
      kernelSizes: [3, 5],
      expandRatios: [2, 3, 4, 6],
      depths: [
        [1, 2],
        [1, 2, 3, 4],
        [1, 2, 3, 4],
      ],
      resolutions: [20, 24, 28],
    });
  });

  it('names line and column of a syntax error', () => {
    expect(() => parseRecipe('{\n  "name": "x",\n  oops\n}', 'my.json', space)).toThrow(/my\.json, line 3, column 3/);
  });

  const wrong: [string, Record<string, unknown>, RegExp][] = [
    [
      'a number out of range',
      { kdRatio: 2 },
      /my\.json, line 1: phases\[0\]\.kdRatio must be a number from 0 to 1; given: 2/,
    ],
    ['a missing field', { lr: undefined }, /phases\[0\]\.lr must be a number above 0; given: nothing/],
    ['a misspelled field', { lrr: 1 }, /phases\[0\] has a member "lrr" that is not known/],
    ['a teacher that there is not', { teacher: 'mine' }, /teacher must be one of none, inplace, frozen/],
    ['choices outside the space', { elastic: { kernelSizes: [3, 9] } }, /elastic\.kernelSizes must be .*3, 5/],
    ['choices without the largest', { elastic: { expandRatios: [3, 4] } }, /with the space's largest, 6/],
    ['depths of too few stages', { elastic: { depths: [[2]] } }, /a list of 3 lists, one per stage/],
    ['a phase that trains nothing', { largestEvery: 0, smallest: false, subnetsPerStep: 0 }, /trains something/],
    ['distillation without a teacher', { teacher: 'none' }, /kdRatio must be 0 without a teacher/],
    ['a share of a front above 1', { frontShare: 1.5 }, /phases\[0\]\.frontShare must be a number from 0 to 1/],
    ['a front for no random net', { frontShare: 0.5, subnetsPerStep: 0 }, /frontShare must be absent where subnets/],
    ['more subnets than the pool holds', { subnetsPerStep: 9 }, /pool\.size must be at least .* 9; given: 8/],
  ];
  it.each(wrong)('refuses %s', (_, changes, message) => {
    expect(() => parseRecipe(withPhase(changes), 'my.json', space)).toThrow(message);
  });
});

describe('the line of a refused field', () => {
  const lines = JSON.stringify(JSON.parse(sandwich), undefined, 2).split('\n');
  /** The message for the recipe with one line replaced, and that line's number. */
  function refusal(from: RegExp, to: string): { message: string; line: number } {
    const index = lines.findIndex((text) => from.test(text));
    expect(index).toBeGreaterThan(0);
    const text = lines.with(index, lines[index]!.replace(from, to)).join('\n');
    try {
      parseRecipe(text, 'a: [my].json', space);
    } catch (error) {
      return { message: error instanceof Error ? error.message : '', line: index + 1 };
    }
    throw new Error('it was accepted');
  }

  it.each<[string, RegExp, string, string]>([
    ['a number', /"lr": [^,]*/, '"lr": -1', 'phases[0].lr must be a number above 0; given: -1.'],
    ['a member deeper down', /"shift": \d+/, '"shift": 0.5', 'phases[0].augment.shift must be a whole number'],
    ['a misspelled member', /"flip"/, '"flop"', 'phases[0].augment has a member "flop" that is not known'],
    ['a member of the root', /"clipNorm": [^,]*/, '"clipNorm": 0', 'clipNorm must be a number above 0'],
    ['another object', /"replaceEvery": \d+/, '"replaceEvery": 0', 'pool.replaceEvery must be'],
  ])('is that of %s', (_, from, to, words) => {
    const { message, line } = refusal(from, to);
    expect(message).toContain(`a: [my].json, line ${line}: ${words}`);
  });

  it('is that of the object where a member is missing', () => {
    const start = lines.findIndex((text) => text.includes('"phases"')) + 2; // the first entry opens on the next line
    const text = lines.filter((line) => !line.includes('"warmup"')).join('\n');
    expect(() => parseRecipe(text, 'r', space)).toThrow(`r, line ${start}: phases[0].warmup must be`);
  });

  it('names both lines of a member that is given twice', () => {
    const text = '{\n "name": "a\\"{[",\n "pool": {},\n "name": "b"\n}';
    expect(() => parseRecipe(text, 'r', space)).toThrow('r, line 4: name is given twice, first in line 2');
  });

  it('is found below strings that look like JSON, and in lists of lists', () => {
    const recipe = JSON.parse(sandwich) as { phases: object[] };
    const name = 'odd "}],{\\" name';
    const depths = [[1, 2], [1, 2, 3, 4], [9]];
    const phases = [...recipe.phases, { ...recipe.phases[0], name, elastic: { depths } }];
    const text = JSON.stringify({ ...recipe, phases }, undefined, 1);
    const index = text.split('\n').findLastIndex((line) => line.trim() === '9');
    expect(() => parseRecipe(text, 'r', space)).toThrow(
      new RegExp(`^r, line ${index}: phases\\[${recipe.phases.length}\\]\\.elastic\\.depths\\[2\\] must be`),
    );
  });
});

describe('scaleRecipe', () => {
  it('stretches phases in proportion', () => {
    const recipe = parseRecipe(read('scripts/recipes/progressive-shrinking.json'), 'r', space);
    const total = recipe.phases.reduce((sum, phase) => sum + phase.images, 0);
    const scaled = scaleRecipe(recipe, total / 10);
    expect(scaled.phases.map(({ images }) => images)).toEqual(recipe.phases.map(({ images }) => images / 10));
  });
});
