import { toProblem } from '../common/errors.js';
import { ProgressFiles } from './progress-files.js';
import type { ProgressFrame } from './progress-view.js';
import { appendLog, rewindLog } from './run-log.js';
import type { TrainEvent } from './train-events.js';

/** Everything that a run tells: its log, its progress files, and whoever listens. */
export class RunJournal {
  readonly #dir: string;
  readonly #files: ProgressFiles;
  readonly #onEvent: (event: TrainEvent) => void;
  /** Steps done, as of the last event. */
  #step: number;

  /**
   * Opens a folder's journal at a step; what was written after it is dropped, as it is about to happen again.
   * @throws BespokeError `storage-failed` if the folder cannot be written
   */
  constructor(dir: string, step: number, frame: ProgressFrame, onEvent: (event: TrainEvent) => void = () => undefined) {
    this.#dir = dir;
    this.#step = step;
    this.#onEvent = onEvent;
    this.#files = new ProgressFiles(dir, frame, rewindLog(dir, step));
  }

  /** @throws BespokeError `storage-failed` if the folder cannot be written */
  readonly emit = (event: TrainEvent): void => {
    this.#step = event.step;
    appendLog(this.#dir, event, new Date());
    this.#files.add(event);
    this.#onEvent(event);
  };

  /** Notes why a run failed, as far as the folder can still be written. */
  async fail(error: unknown): Promise<void> {
    try {
      this.emit({ kind: 'failed', step: this.#step, detail: toProblem(error).detail });
      await this.close();
    } catch {
      // a full disk, for one, is what failed the run: that error goes to the caller
    }
  }

  /** Brings the figure up to date. @throws BespokeError `storage-failed` if the folder cannot be written */
  close(): Promise<void> {
    return this.#files.close();
  }
}
