import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import type { Rng } from '../src/common/rng.js';
import { PACKAGE_ROOT } from '../src/config.js';
import { sampleArch } from '../src/space/sample.js';
import type { Arch } from '../src/space/types.js';
import { blockCosts } from './block-tables.js';
import { type LineProcess, startLineProcess } from './line-process.js';
import { REFERENCE } from './published-objective.js';
import type { ReferenceProblem } from './search-problems.js';

/** How an architecture is handled by the search in Python, see bench/search_pytorch.py. */
export type Handling = 'published' | 'lean';

/** One search in Python. */
export interface PublishedRun {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** In the objective's units. */
  readonly score: number;
  readonly evaluations: number;
  /** Architectures held against the limit. */
  readonly draws: number;
}

/** How far two programs are apart on the same architectures, relative to the largest value. */
export interface Agreement {
  readonly score: number;
  readonly cost: number;
  /** Of costs by the published tables' keys, where there are some. */
  readonly keyedCost?: number;
}

/** What the search in Python says of itself. */
export interface PublishedVersions {
  readonly python: string;
  readonly torch: string;
  readonly numpy: string;
  /** How the predictor is run, the fastest of what was tried, and milliseconds per 100 architectures of each. */
  readonly predictor?: { readonly way: string; readonly ms: Readonly<Record<string, number>> };
}

/** The published search in Python, ready to search. */
export interface PublishedSearch {
  readonly command: string;
  /** Tells it of a problem and compares scores and costs of random architectures. */
  open(problem: ReferenceProblem, rng: Rng): Promise<{ versions: PublishedVersions; agreement: Agreement }>;
  search(problem: ReferenceProblem, how: HowPublished): Promise<PublishedRun>;
  stop(): void;
}

interface HowPublished {
  readonly handling: Handling;
  readonly seed: number;
  readonly generations: number;
}

/** Architectures on which both sides must agree. */
const COMPARED = 100;
const CHILD = join(PACKAGE_ROOT, 'bench', 'search_pytorch.py');
const isByTables = ({ constraint }: ReferenceProblem): boolean => constraint.id === 'maxLatencyMs';

/** The file of the reference data that holds a problem's objective. */
function objectiveOf({ name }: ReferenceProblem): { readonly kind: string; readonly file: string } {
  if (name.startsWith('S1')) return { kind: 'synthetic', file: resolve(REFERENCE, 'search', 's1_objective.json') };
  const path = name.startsWith('S2') ? ['search', 's2_predictor.pth'] : ['official', 'acc_predictor.pth'];
  return { kind: 'predictor', file: resolve(REFERENCE, ...path) };
}

/** The published latency tables as they are: a key per layer or block. */
function lookupTables(resolutions: readonly number[]) {
  return resolutions.map((resolution) => {
    const text = readFileSync(join(REFERENCE, 'official', 'note10', `${resolution}_lookup_table.yaml`), 'utf8');
    const table = parse(text) as Readonly<Record<string, { readonly mean: number }>>; // the published format
    return { resolution, ms: Object.fromEntries(Object.entries(table).map(([key, { mean }]) => [key, mean])) };
  });
}

/** max |a - b| / max |b|; infinite where they are not as many, or one is not a number. */
function relativeDifference(a: readonly number[], b: ArrayLike<number>): number {
  const values = Array.from(b);
  const largest = Math.max(...values.map(Math.abs));
  const error =
    a.length === values.length ? Math.max(...a.map((value, i) => Math.abs(value - values[i]!))) : Number.NaN;
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error / largest;
}

interface Scored {
  readonly scores: readonly number[];
  readonly costs: readonly number[];
  readonly keyedCosts?: readonly number[];
}

async function agreementOf(child: LineProcess, problem: ReferenceProblem, rng: Rng): Promise<Agreement> {
  const { name, space, resolutions, objective, constraint } = problem;
  const archs: Arch[] = Array.from({ length: COMPARED }, () => sampleArch(space, rng, { resolutions }));
  const theirs = await child.ask<Scored>({ kind: 'score', problem: name, archs });
  const costs = constraint.cost(archs);
  return {
    score: relativeDifference(theirs.scores, await objective.score(archs)),
    cost: relativeDifference(theirs.costs, costs),
    ...(theirs.keyedCosts === undefined ? {} : { keyedCost: relativeDifference(theirs.keyedCosts, costs) }),
  };
}

/** Starts the published search in the first Python that has PyTorch; undefined where none has. @param named a Python to use instead */
export function startPublishedSearch(named: string | undefined): PublishedSearch | undefined {
  const candidates = named === undefined ? ['python3', '/usr/bin/python3'] : [named];
  const command = candidates.find(
    (python) => spawnSync(python, ['-c', 'import torch, numpy'], { stdio: 'ignore' }).status === 0,
  );
  if (command === undefined) return undefined;
  const child = startLineProcess('the published search', [command, CHILD], {});
  return {
    command,
    open: async (problem, rng) => {
      const { name, space, resolutions, constraint } = problem;
      const versions = await child.ask<PublishedVersions>({
        kind: 'open',
        problem: name,
        space,
        resolutions,
        objective: objectiveOf(problem),
        costs: blockCosts(space, constraint.cost, resolutions),
        ...(isByTables(problem) ? { lookup: lookupTables(resolutions) } : {}),
      });
      return { versions, agreement: await agreementOf(child, problem, rng) };
    },
    search: (problem, { handling, seed, generations }) =>
      child.ask<PublishedRun>({
        kind: 'search',
        problem: problem.name,
        max: problem.constraint.max,
        handling,
        byKeys: handling === 'published' && isByTables(problem),
        seed,
        generations,
      }),
    stop: child.stop,
  };
}
