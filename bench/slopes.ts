/**
 * How well the predictor's slopes guess: around the best architecture that a short search finds, what single changes and random pairs of
 * them gain to first order beside what the predictor says; and what looking around by slopes costs beside scoring every change.
 * Without the reference data folder (BESPOKE_REFERENCE, by default ../shared/reference) nothing is measured, and it says so.
 *
 *   npm run bench:slopes -- [--pairs N] [--seed N] [--quick] [--json]
 */
import { makeRng, type Rng } from '../src/common/rng.js';
import { fromArch, type Genetics, type Genome, makeGenetics, normalize, toArch } from '../src/search/genome.js';
import { makeEncoder } from '../src/search/guess.js';
import { neighbors } from '../src/search/neighbors.js';
import { search } from '../src/search/search.js';
import { type BenchOptions, type BenchResult, countOption, row, runBench } from './harness.js';
import { openReferenceProblems, type ReferenceProblem } from './search-problems.js';
import { mean } from './statistics.js';

const PROBLEMS = ['S2 at 300 M MACs', 'Note10 at 50 ms'] as const;
const EVALUATIONS = 5_000;
const PAIRS = { full: 300, quick: 50 } as const;

function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)];
  const product = (x: readonly number[], mx: number, y: readonly number[], my: number): number =>
    x.reduce((sum, value, i) => sum + (value - mx) * ((y[i] ?? my) - my), 0);
  return product(a, meanA, b, meanB) / Math.sqrt(product(a, meanA, a, meanA) * product(b, meanB, b, meanB));
}

/** Pairs of changes of different genes of blocks, drawn at random. */
function drawPairs(
  genetics: Genetics,
  center: Genome,
  singles: readonly Genome[],
  { count, rng }: { count: number; rng: Rng },
) {
  const blocks = singles.filter((genome) =>
    genome.every((value, gene) => gene < genetics.slots || value === center[gene]),
  );
  const pairs: Genome[] = [];
  while (pairs.length < count) {
    const [a, b] = [rng.pick(blocks), rng.pick(blocks)];
    const both = center.map((value, gene) => (a[gene] === value ? (b[gene] ?? value) : (a[gene] ?? value)));
    const changed = both.filter((value, gene) => value !== center[gene]).length;
    if (changed === 2) pairs.push(normalize(genetics, both));
  }
  return pairs;
}

async function measure(problem: ReferenceProblem, pairs: number, seed: number) {
  const { name, space, objective, constraint, resolutions, describe, scale } = problem;
  const genetics = makeGenetics(space, resolutions);
  const encoder = objective.encoded && makeEncoder(genetics, objective.encoded.resolutions);
  if (objective.encoded === undefined || encoder === undefined) return undefined;
  const asked = { space, objective, constraints: [constraint], resolutions, describe, frontAxis: constraint.id };
  const { best } = await search({ ...asked, evaluations: EVALUATIONS, seed });
  const center = fromArch(genetics, best.arch);
  if (center === undefined) return undefined;
  const guess = encoder.guess(await objective.encoded.slopes(encoder.rows([center])).take());
  const compare = async (genomes: readonly Genome[]) => {
    const scores = await objective.score([center, ...genomes].map((genome) => toArch(genetics, genome)));
    const gained = genomes.map((_, i) => scale * ((scores[i + 1] ?? Number.NaN) - (scores[0] ?? Number.NaN)));
    const guessed = genomes.map((genome) => scale * (guess.of(genome) - guess.of(center)));
    const rms = (values: readonly number[]): number => Math.sqrt(mean(values.map((value) => value ** 2)));
    const error = rms(gained.map((value, i) => value - (guessed[i] ?? Number.NaN)));
    return { count: genomes.length, correlation: correlation(gained, guessed), rmsGain: rms(gained), rmsError: error };
  };
  const singles = neighbors(genetics, center).slice(1);
  const drawn = drawPairs(genetics, center, singles, { count: pairs, rng: makeRng(seed).fork('pairs') });
  return { name, singles: await compare(singles), pairs: await compare(drawn) };
}

type Compared = NonNullable<Awaited<ReturnType<typeof measure>>>['singles'];
const line = ({ count, correlation: r, rmsGain, rmsError }: Compared): string =>
  `${count}: correlation ${r.toFixed(3)}; root mean square of the gains ${rmsGain.toFixed(2)}, of the guesses' errors ${rmsError.toFixed(2)} points`;

async function run(options: BenchOptions): Promise<BenchResult> {
  const pairs = countOption(options, 'pairs', options.isQuick ? PAIRS.quick : PAIRS.full);
  const settings = { evaluations: EVALUATIONS, pairs };
  const opened = await openReferenceProblems(1);
  if (opened === undefined) {
    return { settings, figures: {}, lines: ['not measured: the reference data folder is absent (BESPOKE_REFERENCE)'] };
  }
  try {
    const measured = [];
    for (const problem of opened.problems.filter(({ name }) => PROBLEMS.some((each) => each === name))) {
      measured.push(await measure(problem, pairs, options.seed));
    }
    const found = measured.filter((each) => each !== undefined);
    const lines = found.flatMap(({ name, singles, pairs: twos }) => [
      name,
      row('  single changes', line(singles)),
      row('  pairs of blocks', line(twos)),
      row('  evaluations of a look', `2 by slopes, ${singles.count} by scoring every change`),
    ]);
    return { settings, figures: { measured: found }, lines };
  } finally {
    await opened.release();
  }
}

await runBench({ name: 'slopes', options: { pairs: `pairs of changes (${PAIRS.full}, quick ${PAIRS.quick})` }, run });
