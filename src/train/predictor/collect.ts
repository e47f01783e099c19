import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { throwIfAborted, type WorkOptions } from '../../common/work.js';
import { SELECTION_COUNT } from '../../data/splits.js';
import { Child } from '../../runtime/child.js';
import { readNumber, readObject, wholeBetween } from '../../space/json-reader.js';
import { loadBundle } from '../../supernet/bundle.js';
import type { Bundle } from '../../supernet/types.js';
import { DATA_FIGURE } from '../data-record.js';
import type { WorkerSetting } from './collect-worker.js';
import type { ArchLabel } from './label.js';
import { LABEL_SCHEMA, type LabelAppender, openLabels } from './label-file.js';
import { type ListedArch, listArchs } from './label-list.js';

export interface CollectOptions extends WorkOptions {
  readonly bundleDir: string;
  /** Folder of the images that the supernet was trained on. */
  readonly dataDir: string;
  /** The label file: made, or gone on with. */
  readonly outFile: string;
  /** Architectures to label in all, those already in the file included. */
  readonly count: number;
  /** Processes, each with one thread. */
  readonly workers: number;
  readonly seed: number;
  /** Label images per architecture, at most; the selection split, 3,000 at most, unless told. */
  readonly images?: number;
  /** 1,000 unless told: half of what a delivered network gets, for speed. */
  readonly calibrationImages?: number;
}

const CALIBRATION_BATCH = 200;
const DEFAULT_CALIBRATION_IMAGES = 1000;

const WORKER_PATH = fileURLToPath(new URL(`./collect-worker${extname(import.meta.url)}`, import.meta.url));

/** Images of the selection split, as the bundle says; those of Fashion-MNIST's own split where it does not. */
function selectionCount(figures: Bundle['figures']): number {
  const data = figures[DATA_FIGURE];
  if (data === undefined) return SELECTION_COUNT;
  const images = readObject(readObject(data, 'figures.data').members.images, 'figures.data.images');
  return readNumber(images, 'selection', wholeBetween(1, Number.MAX_SAFE_INTEGER));
}

/** Minutes and seconds, for people. */
function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** One worker's turn: labels what is next on the list until it is empty. */
async function workThrough(
  setting: WorkerSetting,
  next: () => ListedArch | undefined,
  file: LabelAppender,
  onLabel: () => void,
): Promise<void> {
  const child = new Child(WORKER_PATH);
  try {
    await child.call('open', setting);
    for (let listed = next(); listed !== undefined; listed = next()) {
      const label = await child.call<ArchLabel>('label', listed.arch);
      await file.append({ ...listed, ...label });
      onLabel();
    }
  } finally {
    child.kill();
  }
}

/**
 * Measures the calibrated top-1 of many architectures in several processes, and appends each to a file as soon as it is known:
 * a run that was cut off goes on where it was.
 * @returns labels in the file at the end
 * @throws BespokeError `invalid-request` if the file holds labels of something else, `bundle-invalid`; the signal's reason if aborted
 */
export async function collectAccuracies(options: CollectOptions): Promise<number> {
  const { supernet, calibration, figures } = await loadBundle(options.bundleDir);
  const images = Math.min(options.images ?? SELECTION_COUNT, selectionCount(figures));
  const calibrationImages = Math.min(options.calibrationImages ?? DEFAULT_CALIBRATION_IMAGES, calibration.count);
  const counts = { images, calibrationImages, calibrationBatch: CALIBRATION_BATCH };
  const { space, sha256 } = supernet;
  const file = await openLabels(options.outFile, {
    schema: LABEL_SCHEMA,
    spaceId: space.id,
    weightsSha256: sha256,
    ...counts,
  });
  const known = new Set(file.rows.map(({ archId }) => archId));
  const listed = listArchs(space, options.count, options.seed);
  const waiting = listed.filter(({ archId }) => !known.has(archId)).reverse();
  const missing = waiting.length;
  const startedAt = performance.now();
  let labeled = 0;
  const onLabel = (): void => {
    labeled++;
    const left = ((performance.now() - startedAt) / 1000 / labeled) * (missing - labeled);
    options.onProgress?.({
      done: listed.length - missing + labeled,
      total: listed.length,
      note: `${clock(left)} left`,
    });
  };
  const next = (): ListedArch | undefined => {
    throwIfAborted(options.signal);
    return waiting.pop();
  };
  const setting = { bundleDir: options.bundleDir, dataDir: options.dataDir, ...counts };
  try {
    // A worker that fails must not leave the others running unseen: all settle before the file is closed.
    const turns = Array.from({ length: missing === 0 ? 0 : options.workers }, () =>
      workThrough(setting, next, file, onLabel),
    );
    const failed = (await Promise.allSettled(turns)).find((turn) => turn.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  } finally {
    await file.close();
  }
  return file.rows.length + labeled;
}
