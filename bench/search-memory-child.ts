/** One search alone, or the predictor loaded and nothing else, or nothing: a process whose memory bench/search-memory.ts reads from what it says. */
import { existsSync, readFileSync } from 'node:fs';
import { loadPredictor } from '../src/predictors/predictor.js';
import { search } from '../src/search/search.js';
import { makeCostTable } from '../src/space/cost-table.js';
import { PUBLISHED_SPACES } from '../src/space/published.js';
import { type BlockCosts, costByTables } from './block-tables.js';

/** What the child is told, in a file. */
export interface MemorySetup {
  readonly spaceId: string;
  /** The folder of the predictor's two files. */
  readonly predictor: string;
  readonly threads: number;
  readonly tables: readonly BlockCosts[];
  readonly maxLatencyMs: number;
  readonly evaluations: number;
  readonly seed: number;
}

/** What it says, on stdout. */
export interface MemoryAnswer {
  readonly peakBytes: number;
  /** Absent where nothing was searched. */
  readonly searched?: { readonly seconds: number; readonly score: number; readonly evaluations: number };
}

const STATUS = '/proc/self/status';

/** Peak resident memory. `maxRSS` begins at what the parent had when it forked, so Linux's own figure of this program comes first; both in KiB. */
function peakBytes(): number {
  const told = existsSync(STATUS) ? /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(STATUS, 'utf8'))?.[1] : undefined;
  return 1024 * (told === undefined ? process.resourceUsage().maxRSS : Number(told));
}

async function run(setup: MemorySetup, isSearching: boolean): Promise<MemoryAnswer> {
  const { spaceId, predictor: dir, threads, tables, maxLatencyMs, evaluations, seed } = setup;
  const space = PUBLISHED_SPACES.find(({ id }) => id === spaceId);
  if (space === undefined) throw new Error(`there is no published space ${spaceId}`);
  const predictor = await loadPredictor(dir, { space, weightsSha256: '' }, { threads });
  let searched: MemoryAnswer['searched'];
  if (isSearching) {
    const cost = costByTables(space, tables);
    const figures = makeCostTable(space);
    const start = performance.now();
    const found = await search({
      space,
      objective: predictor.asObjective(),
      constraints: [{ id: 'maxLatencyMs', max: maxLatencyMs, cost }],
      resolutions: tables.map(({ resolution }) => resolution),
      describe: (archs) => {
        const ms = cost(archs);
        return figures.all(archs).map((row, i) => ({ ...row, predictedLatencyMs: ms[i] ?? Number.NaN }));
      },
      frontAxis: 'maxLatencyMs',
      evaluations,
      seed,
    });
    const seconds = (performance.now() - start) / 1000;
    searched = { seconds, score: found.best.predictedTop1, evaluations: found.evaluations };
  }
  await predictor.release();
  return { peakBytes: peakBytes(), ...(searched === undefined ? {} : { searched }) };
}

const [task, path = ''] = process.argv.slice(2);
const answer: MemoryAnswer =
  task === 'nothing'
    ? { peakBytes: peakBytes() }
    : await run(JSON.parse(readFileSync(path, 'utf8')) as MemorySetup, task === 'search'); // written by bench/search-memory.ts
process.stdout.write(`${JSON.stringify(answer)}\n`);
