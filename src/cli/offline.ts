import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { measureTop1 } from '../evaluate/top1.js';
import { makeLatencyModel } from '../hardware/latency-model.js';
import { LOCAL_CPU_ID } from '../hardware/local-cpu.js';
import { loadProfile, parseProfile, profilesDir } from '../hardware/profile-file.js';
import type { LatencyModel } from '../hardware/types.js';
import { search } from '../search/search.js';
import type { Candidate } from '../search/types.js';
import { makeCostTable } from '../space/cost-table.js';
import { parseArch } from '../space/reference-spelling.js';
import type { SearchSpace } from '../space/types.js';
import { imageChecks, noticesOf } from '../specialize/checks.js';
import { limitBounds } from '../specialize/confidence.js';
import { deliver } from '../specialize/deliver.js';
import { withIntervals } from '../specialize/describe.js';
import { searchOptionsOf } from '../specialize/search-options.js';
import type { SpecializationRequest } from '../specialize/types.js';
import { spreadOver } from '../specialize/warm-start.js';
import { loadBundle } from '../supernet/bundle.js';
import type { ExportOptions } from '../supernet/export-options.js';
import type { Bundle } from '../supernet/types.js';
import { codeOf, EXIT, readJson } from './arguments.js';
import { calibrationImages } from './calibration.js';
import { readWhole } from './checkpoint-file.js';
import { evaluationImages } from './evaluation-images.js';
import { describeExport } from './export-flags.js';
import { formatCount, formatMs, formatPercent, formatTable } from './format.js';
import { writeOut } from './jobs.js';
import { openSearchPredictor } from './search-predictor.js';
import type { Terminal } from './terminal.js';

/** A bundle by its id among the model folders, or by its own folder. */
export async function resolveBundle(idOrDir: string, modelDirs: readonly string[]): Promise<Bundle> {
  const named = modelDirs.filter((dir) => basename(dir) === idOrDir); // a model folder may be a bundle itself
  const tried = [idOrDir, ...named, ...modelDirs.map((dir) => join(dir, idOrDir))];
  for (const dir of tried) {
    try {
      await readFile(join(dir, 'bundle.json'));
    } catch {
      continue; // not there: the next place
    }
    return loadBundle(dir);
  }
  throw new BespokeError(
    'not-found',
    `there is no supernet "${idOrDir}"; looked for a bundle.json in ${tried.join(', ')} (--models names other folders)`,
  );
}

export interface ExtractCommand {
  /** JSON of the architecture. */
  readonly archFile: string;
  readonly out: string;
  /** Folder of images; the bundle's own unless told. */
  readonly calibrate?: string | undefined;
  readonly calibrationImages?: number | undefined;
  /** How the model is written; plainly unless told. */
  readonly exported?: ExportOptions | undefined;
}

/** `bespoke extract`: one sub-network as ONNX, no search. */
export async function extractCommand(terminal: Terminal, bundle: Bundle, options: ExtractCommand): Promise<number> {
  const { archFile, out, exported } = options;
  const { space } = bundle.supernet;
  const arch = parseArch(space, await readJson(archFile), { where: archFile });
  const calibration =
    options.calibrate === undefined
      ? bundle.calibration
      : await calibrationImages(
          terminal,
          { space, input: bundle.input },
          { ...options, calibration: options.calibrate },
        );
  const { extracted, costs } = await deliver({ ...bundle, calibration }, arch, { exported });
  const notices = noticesOf(imageChecks({ calibrationImages: calibration.count, isLabeled: true }));
  await writeOut(out, extracted.model);
  const { macs, params } = costs;
  const figures = { macs, params, modelParams: extracted.modelParams, modelBytes: extracted.model.byteLength };
  const written = exported === undefined ? {} : { export: exported };
  terminal.printJson({ notices, ...figures, calibrationImages: calibration.count, ...written, out });
  for (const notice of notices) terminal.print(notice);
  terminal.print(
    `${out}: ${formatCount(macs)} MACs, ${formatCount(params)} params, ${formatCount(figures.modelBytes)} bytes`,
  );
  if (exported !== undefined) terminal.print(describeExport(exported));
  return EXIT.done;
}

export interface SearchCommandOptions {
  readonly space: SearchSpace;
  readonly predictor: string;
  /** A hardware id with a kept profile, or a profile.json. */
  readonly hardware: string | undefined;
  readonly dataDir: string;
  readonly request: SpecializationRequest;
}

/** The latency model of the hardware that was named; of this machine's own where none was and a latency is asked for. */
async function latencyModelOf(options: SearchCommandOptions): Promise<LatencyModel | undefined> {
  const { space, dataDir, request } = options;
  const isNeeded = request.constraints.maxLatencyMs !== undefined || request.objective === 'latency';
  const hardware = options.hardware ?? (isNeeded ? LOCAL_CPU_ID : undefined);
  if (hardware === undefined) return undefined;
  if (hardware.endsWith('.json')) return makeLatencyModel(space, parseProfile(await readText(hardware), hardware));
  const profile = await loadProfile(profilesDir(dataDir), hardware, space.id);
  if (profile !== undefined) return makeLatencyModel(space, profile);
  throw new BespokeError(
    'no-latency-data',
    `the hardware type "${hardware}" has no latency model for "${space.id}"; run \`bespoke hardware profile --space\`, import tables with \`bespoke hardware import\`, or give --hardware another id or a profile.json`,
  );
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new BespokeError('invalid-request', `"${path}" cannot be read (${codeOf(cause)})`, {}, cause);
  }
}

/** Rows of a front that people are shown: more push the best off the screen. */
const SHOWN_FRONT = 20;

/** `bespoke search`: a search alone. */
export async function searchCommand(terminal: Terminal, options: SearchCommandOptions): Promise<number> {
  const { space, request } = options;
  const predictor = await openSearchPredictor(options.predictor, space);
  const start = performance.now();
  try {
    const latency = await latencyModelOf(options);
    const found = await search({
      ...searchOptionsOf({ space, predictor, costs: makeCostTable(space), latency }, request),
      onProgress: (at) => terminal.progress('searching', { done: at.evaluations, total: request.search.evaluations }),
    });
    const seconds = (performance.now() - start) / 1000;
    const bounds = limitBounds(request, { predictor, latency });
    const [best, ...paretoFront] = [found.best, ...found.paretoFront].map((candidate) =>
      withIntervals({ predictor, latency }, candidate, bounds),
    ) as [Candidate, ...Candidate[]]; // the best comes first
    const { evaluations, cutShort } = found;
    terminal.printJson({ best, paretoFront, evaluations, cutShort, seconds });
    const shown = spreadOver([...paretoFront.entries()], SHOWN_FRONT);
    const rows = [...shown, [-1, best] as const].map(([index, candidate]) => [
      index < 0 ? 'best' : `front ${index + 1}`,
      formatPercent(candidate.predictedTop1),
      formatCount(candidate.macs),
      candidate.predictedLatencyMs === undefined ? '' : formatMs(candidate.predictedLatencyMs),
      String(candidate.arch.resolution),
      candidate.arch.depths.join(' '),
    ]);
    terminal.print(formatTable([['', 'predicted top-1', 'MACs', 'latency', 'resolution', 'depths'], ...rows]));
    if (shown.length < paretoFront.length) {
      terminal.print(`${shown.length} of ${formatCount(paretoFront.length)} networks of the front; --json has all`);
    }
    const end = cutShort ? ', cut short by the time limit' : '';
    terminal.print(`${formatCount(evaluations)} evaluations in ${seconds.toFixed(2)} s${end}`);
    return EXIT.done;
  } finally {
    await predictor.release();
  }
}

/** `bespoke evaluate`: top-1 of an ONNX on labeled images. */
export async function evaluateCommand(
  terminal: Terminal,
  {
    model,
    data,
    split,
  }: { readonly model: string; readonly data: string | undefined; readonly split: 'train' | 'test' },
): Promise<number> {
  const bytes = await readWhole(model);
  const { images, part } = await evaluationImages(terminal, bytes, { data, split });
  const measured = await measureTop1(bytes, images, { threads: 2 });
  terminal.printJson(measured);
  terminal.print(`top-1 ${formatPercent(measured.top1)} on ${formatCount(measured.images)} ${part}images`);
  return EXIT.done;
}
