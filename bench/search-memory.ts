import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { BespokeError } from '../src/common/errors.js';
import { PACKAGE_ROOT } from '../src/config.js';
import { PREDICTOR_FILES } from '../src/predictors/file.js';
import { blockCosts } from './block-tables.js';
import { officialPredictor } from './search-floor.js';
import type { MemoryAnswer, MemorySetup } from './search-memory-child.js';
import type { ReferenceProblem } from './search-problems.js';

/** Peak resident memory of processes that are begun for this. */
export interface SearchMemory {
  readonly problem: string;
  /** The program's code, nothing loaded. */
  readonly bareBytes: number;
  /** The predictor loaded, nothing searched. */
  readonly loadedBytes: number;
  readonly searchedBytes: number;
  /** Of the process's only search, which begins uncompiled. */
  readonly seconds: number;
}

/** Inside node_modules, where compiled files find packages and nothing else looks. */
const CACHE = join(PACKAGE_ROOT, 'node_modules', '.cache');
const CHILD = join('bench', 'search-memory-child.ts');
/** The predictor's thread, which is started by its path. */
const THREAD = join('src', 'runtime', 'row-worker.ts');

function node(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: PACKAGE_ROOT, encoding: 'utf8' });
  if (status === 0) return stdout;
  throw new BespokeError('invalid-request', `the process that searches alone failed: ${stderr.slice(-2000)}${stdout}`);
}

/** Compiles the child and what it imports: a loader of TypeScript would count as memory of the search. */
function compile(dir: string): string {
  const config = {
    extends: relative(dir, join(PACKAGE_ROOT, 'tsconfig.json')),
    compilerOptions: { rootDir: relative(dir, PACKAGE_ROOT), outDir: 'out', declaration: false, noCheck: true },
    include: [],
    files: [CHILD, THREAD].map((path) => relative(dir, join(PACKAGE_ROOT, path))),
  };
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify(config));
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ type: 'module' }));
  node(join(PACKAGE_ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', dir);
  return join(dir, 'out', CHILD.replace(/\.ts$/, '.js'));
}

/** Measures one search on a latency problem in a process of its own, and the same process without the search. */
export async function measureMemory(
  problem: ReferenceProblem,
  effort: Pick<MemorySetup, 'threads' | 'evaluations' | 'seed'>,
): Promise<SearchMemory> {
  mkdirSync(CACHE, { recursive: true });
  const dir = mkdtempSync(join(CACHE, 'bespoke-search-memory-'));
  const remove = (): void => rmSync(dir, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    const child = compile(dir);
    const { card, tensors } = await officialPredictor();
    writeFileSync(join(dir, PREDICTOR_FILES.card), card);
    writeFileSync(join(dir, PREDICTOR_FILES.tensors), tensors);
    const { space, constraint, resolutions } = problem;
    const tables = blockCosts(space, constraint.cost, resolutions);
    const setup: MemorySetup = { ...effort, spaceId: space.id, predictor: dir, tables, maxLatencyMs: constraint.max };
    const path = join(dir, 'setup.json');
    writeFileSync(path, JSON.stringify(setup));
    const ask = (task: string) => JSON.parse(node(child, task, path)) as MemoryAnswer;
    const searched = ask('search');
    return {
      problem: problem.name,
      bareBytes: ask('nothing').peakBytes,
      loadedBytes: ask('load').peakBytes,
      searchedBytes: searched.peakBytes,
      seconds: searched.searched?.seconds ?? Number.NaN,
    };
  } finally {
    remove();
    process.removeListener('exit', remove);
  }
}
