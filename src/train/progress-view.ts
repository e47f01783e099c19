import type { TrainingView } from '../report/training-plot.js';
import { formatDuration } from './progress-line.js';
import type { TrainEvent, ValidationEvent, WindowEvent } from './train-events.js';

/** What a run is called and where its phases begin. */
export interface ProgressFrame {
  readonly recipe: string;
  /** Every phase with the images seen at its start. */
  readonly phases: readonly { readonly name: string; readonly images: number }[];
  readonly steps: number;
}

/** How a run stands: `running` too after a kill, so look at the time of the last sign. */
export type RunStatus = 'running' | 'stopped' | 'finished' | 'failed';

/** The latest figures of a run, as in `progress.json`. */
export interface ProgressRecord extends ProgressFrame {
  readonly schema: 1;
  readonly status: RunStatus;
  /** Time of this record, ISO 8601. */
  readonly updated: string;
  readonly pid: number;
  readonly step: number;
  /** Step of the last checkpoint. */
  readonly checkpointStep: number;
  readonly window?: Omit<WindowEvent, 'kind' | 'steps'>;
  readonly validation?: Omit<ValidationEvent, 'kind'>;
  /** What went wrong, newest last. */
  readonly warnings: readonly string[];
  /** Why it ended before its time. */
  readonly reason?: string;
}

/** Warnings that are kept. */
const KEPT_WARNINGS = 10;

/** The record after an event. */
export function nextRecord(record: ProgressRecord, event: TrainEvent): ProgressRecord {
  const moved = { ...record, step: event.step };
  switch (event.kind) {
    case 'window': {
      const { kind: _, steps, ...window } = event;
      return { ...moved, window };
    }
    case 'validation': {
      const { kind: _, ...validation } = event;
      return { ...moved, validation };
    }
    case 'started': {
      const { reason: _, ...running } = moved;
      return { ...running, status: 'running' };
    }
    case 'warning':
      return { ...moved, warnings: [...record.warnings, event.detail].slice(-KEPT_WARNINGS) };
    case 'checkpoint':
      return { ...moved, checkpointStep: event.step };
    case 'stopped':
      return { ...moved, status: 'stopped', reason: event.reason };
    case 'failed':
      return { ...moved, status: 'failed', reason: event.detail };
    case 'finished':
      return { ...moved, status: 'finished' };
  }
}

type Points = [number, number][];

/** Adds a point to a named line, which is begun if it is not there. */
function addPoint(lines: Map<string, Points>, name: string, point: readonly [number, number]): void {
  const points = lines.get(name) ?? [];
  points.push([...point]);
  lines.set(name, points);
}

const asSeries = (lines: ReadonlyMap<string, Points>) => [...lines].map(([name, points]) => ({ name, points }));

/** The curves of a run, gathered from its events. Mutable. */
export class ProgressCurves {
  readonly #loss = new Map<string, Points>();
  readonly #top1 = new Map<string, Points>();
  readonly #lr: Points = [];
  #images = 0;

  add(event: TrainEvent): void {
    if (event.kind === 'window') {
      this.#images = event.images;
      for (const [role, { loss }] of Object.entries(event.roles)) addPoint(this.#loss, role, [event.images, loss]);
      this.#lr.push([event.images, event.lr]);
    } else if (event.kind === 'validation') {
      this.#images = event.images;
      this.#addValidation(event);
    }
  }

  /** The random nets count as one line, their mean. */
  #addValidation({ images, batchStatisticsTop1 }: ValidationEvent): void {
    const entries = Object.entries(batchStatisticsTop1);
    const random = entries.filter(([name]) => name.startsWith('random')).map(([, top1]) => top1);
    for (const [name, top1] of entries) {
      if (!name.startsWith('random')) addPoint(this.#top1, name, [images, top1]);
    }
    if (random.length === 0) return;
    addPoint(this.#top1, 'random', [images, random.reduce((sum, top1) => sum + top1, 0) / random.length]);
  }

  view(record: ProgressRecord): TrainingView {
    return {
      title: `Training by the recipe "${record.recipe}"`,
      subtitle: standing(record),
      phases: record.phases.filter(({ images }) => images < Math.max(1, this.#images)),
      loss: asSeries(this.#loss),
      top1: asSeries(this.#top1),
      learningRate: this.#lr,
    };
  }
}

function standing({ status, step, steps, window }: ProgressRecord): string {
  const place = `step ${step} of ${steps} (${((step / Math.max(1, steps)) * 100).toFixed(1)} %)`;
  if (status === 'finished') return `finished after ${step} steps`;
  if (status !== 'running') return `${status} at ${place}`;
  return window === undefined ? place : `${place}, ${formatDuration(window.etaMs)} left`;
}
