import type { NetReport, NetRole } from './step-runner.js';

/** What the nets of one role did over a window of steps, on augmented images with batch statistics. */
export interface RoleFigures {
  readonly loss: number;
  readonly top1: number;
  /** Mean time of one pass on one worker, ms. */
  readonly passMs: number;
}

/** A stretch of steps, some seconds long. */
export interface WindowEvent {
  readonly kind: 'window';
  /** Steps done, of how many. */
  readonly step: number;
  readonly steps: number;
  readonly phase: string;
  /** Images seen since the run began. */
  readonly images: number;
  readonly imagesPerSecond: number;
  /** Estimated time to the end of the recipe, ms. */
  readonly etaMs: number;
  readonly elapsedMs: number;
  readonly lr: number;
  /** Mean norm of the gradient before clipping. */
  readonly gradientNorm: number;
  readonly roles: Readonly<Partial<Record<NetRole, RoleFigures>>>;
}

/** Progress figures on held-out images; batch norm by each validation batch's own statistics, so not the top-1 of a delivered net. */
export interface ValidationEvent {
  readonly kind: 'validation';
  readonly step: number;
  readonly images: number;
  readonly batchStatisticsTop1: Readonly<Record<string, number>>;
}

/** Everything a run tells while it goes; each is one line of the log. */
export type TrainEvent =
  | WindowEvent
  | ValidationEvent
  | { readonly kind: 'started'; readonly step: number; readonly steps: number; readonly lowering: string }
  | { readonly kind: 'warning'; readonly step: number; readonly detail: string }
  | { readonly kind: 'checkpoint'; readonly step: number; readonly path: string }
  | { readonly kind: 'stopped'; readonly step: number; readonly reason: string }
  | { readonly kind: 'failed'; readonly step: number; readonly detail: string }
  | { readonly kind: 'finished'; readonly step: number; readonly elapsedMs: number; readonly weights: string };

interface Sums {
  loss: number;
  correct: number;
  images: number;
  ms: number;
  passes: number;
}

/** Sums up steps into windows. Mutable: it is emptied by `take`. */
export class WindowMeter {
  #roles = new Map<NetRole, Sums>();
  #normSum = 0;
  #steps = 0;

  add(nets: readonly NetReport[], gradientNorm: number): void {
    for (const { role, loss, correct, images, ms } of nets) {
      const sums = this.#roles.get(role) ?? { loss: 0, correct: 0, images: 0, ms: 0, passes: 0 };
      sums.loss += loss;
      sums.correct += correct;
      sums.images += images;
      sums.ms += ms;
      sums.passes += 1;
      this.#roles.set(role, sums);
    }
    this.#normSum += gradientNorm;
    this.#steps += 1;
  }

  get steps(): number {
    return this.#steps;
  }

  take(): Pick<WindowEvent, 'roles' | 'gradientNorm'> {
    const roles: Partial<Record<NetRole, RoleFigures>> = {};
    for (const [role, { loss, correct, images, ms, passes }] of this.#roles) {
      roles[role] = { loss: loss / passes, top1: correct / images, passMs: ms / passes };
    }
    const gradientNorm = this.#normSum / Math.max(1, this.#steps);
    this.#roles = new Map();
    this.#normSum = 0;
    this.#steps = 0;
    return { roles, gradientNorm };
  }
}
