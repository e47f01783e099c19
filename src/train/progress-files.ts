import { replaceFile } from '../files/durable-write.js';
import { trainingPlot } from '../report/training-plot.js';
import { nextRecord, ProgressCurves, type ProgressFrame, type ProgressRecord } from './progress-view.js';
import type { TrainEvent } from './train-events.js';

/** The run's curves, redrawn while it goes. */
export const PROGRESS_FIGURE_FILE = 'progress.svg';
/** The run's latest figures. */
export const PROGRESS_RECORD_FILE = 'progress.json';

/** Shortest time between two drawings that no validation asked for, ms. */
const DRAW_EVERY_MS = 10_000;
/** Drawing takes at most one part in so many of the time. */
const DRAW_SHARE = 50;

/** Keeps `progress.svg` and `progress.json` of a run's folder up to date. */
export class ProgressFiles {
  readonly #dir: string;
  readonly #curves = new ProgressCurves();
  #record: ProgressRecord;
  /** The drawing under way; drawings come one after the other. */
  #drawing: Promise<void> | undefined;
  #isOutdated = false;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #drawMs = 0;
  #problem: unknown;

  /** @param past events of the run so far, if it goes on */
  constructor(dir: string, frame: ProgressFrame, past: readonly TrainEvent[]) {
    this.#dir = dir;
    this.#record = {
      schema: 1,
      status: 'running',
      updated: new Date().toISOString(),
      pid: process.pid,
      ...frame,
      step: 0,
      checkpointStep: 0,
      warnings: [],
    };
    for (const event of past) this.#take(event);
  }

  #take(event: TrainEvent): void {
    this.#record = nextRecord(this.#record, event);
    this.#curves.add(event);
  }

  /**
   * Takes in an event; the record is written at once, the figure soon.
   * @throws BespokeError `storage-failed` when the folder cannot be written, also for a figure before
   */
  add(event: TrainEvent): void {
    this.#rethrow();
    this.#take(event);
    this.#record = { ...this.#record, updated: new Date().toISOString() };
    replaceFile(this.#dir, PROGRESS_RECORD_FILE, `${JSON.stringify(this.#record, null, 2)}\n`);
    const since = performance.now() - this.#drawnAt;
    const isDue = event.kind === 'window' && since >= Math.max(DRAW_EVERY_MS, DRAW_SHARE * this.#drawMs);
    if (isDue || event.kind === 'validation') this.#draw();
  }

  #draw(): void {
    this.#isOutdated = true;
    this.#drawing ??= this.#drawAll()
      .catch((error: unknown) => {
        this.#problem = error;
      })
      .finally(() => {
        this.#drawing = undefined;
      });
  }

  async #drawAll(): Promise<void> {
    while (this.#isOutdated) {
      this.#isOutdated = false;
      const start = performance.now();
      const svg = await trainingPlot(this.#curves.view(this.#record));
      replaceFile(this.#dir, PROGRESS_FIGURE_FILE, `${svg}\n`);
      this.#drawnAt = performance.now();
      this.#drawMs = this.#drawnAt - start;
    }
  }

  #rethrow(): void {
    const problem = this.#problem;
    this.#problem = undefined;
    if (problem !== undefined) throw problem;
  }

  /** Draws the figure a last time. @throws BespokeError `storage-failed` when the folder cannot be written */
  async close(): Promise<void> {
    this.#draw();
    await this.#drawing;
    this.#rethrow();
  }
}
