import type { TrainEvent, ValidationEvent, WindowEvent } from './train-events.js';

/** Characters of the bar between its brackets. */
const BAR_WIDTH = 24;

/** A duration as `2 h 05 min`, `7 min 12 s` or `9 s`. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return '?';
  const seconds = Math.round(ms / 1000);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const two = (value: number): string => String(value).padStart(2, '0');
  if (hours > 0) return `${hours} h ${two(minutes)} min`;
  return minutes > 0 ? `${minutes} min ${two(seconds % 60)} s` : `${seconds} s`;
}

function percent(top1: number): string {
  return `${(top1 * 100).toFixed(1)} %`;
}

function figures({ roles }: WindowEvent): string {
  return Object.entries(roles)
    .map(([role, { loss, top1 }]) => `${role} ${loss.toFixed(3)} ${percent(top1)}`)
    .join(', ');
}

/** A window as one line for people; with `bar`, a progress bar stands in front. */
function formatWindow(event: WindowEvent, bar: boolean): string {
  const share = event.step / event.steps;
  const filled = Math.round(share * BAR_WIDTH);
  const front = bar ? `[${'='.repeat(filled)}${' '.repeat(BAR_WIDTH - filled)}] ` : '';
  const place = `${percent(share)} step ${event.step}/${event.steps} ${event.phase}`;
  const speed = `${Math.round(event.imagesPerSecond)} images/s, ${formatDuration(event.etaMs)} left`;
  return `${front}${place} | ${speed} | lr ${event.lr.toPrecision(3)} | ${figures(event)}`;
}

function formatValidation(event: ValidationEvent): string {
  const nets = Object.entries(event.batchStatisticsTop1).map(([name, top1]) => `${name} ${percent(top1)}`);
  return `held-out top-1 by batch statistics after ${event.images} images: ${nets.join(', ')}`;
}

/** Any event as one line. */
function formatEvent(event: TrainEvent): string {
  switch (event.kind) {
    case 'window':
      return formatWindow(event, false);
    case 'validation':
      return formatValidation(event);
    case 'started':
      return `training from step ${event.step} of ${event.steps}, operators: ${event.lowering}`;
    case 'warning':
      return `warning: ${event.detail}`;
    case 'checkpoint':
      return `checkpoint at step ${event.step} in ${event.path}`;
    case 'stopped':
      return `stopped at step ${event.step} (${event.reason}); go on with --resume`;
    case 'finished':
      return `finished after ${event.step} steps in ${formatDuration(event.elapsedMs)}: ${event.weights}`;
  }
}

/**
 * Shows events: on a terminal a bar that is drawn over itself, elsewhere lines, of which windows come at most every `quietMs`.
 * @param write appends text to the output
 */
export function progressPrinter(
  write: (text: string) => void,
  terminal: boolean,
  quietMs: number,
): (event: TrainEvent) => void {
  let lastWindowMs = Number.NEGATIVE_INFINITY;
  return (event) => {
    if (event.kind !== 'window') {
      write(`${terminal ? '\r\u001b[2K' : ''}${formatEvent(event)}\n`);
    } else if (terminal) {
      write(`\r\u001b[2K${formatWindow(event, true)}`);
    } else if (event.elapsedMs - lastWindowMs >= quietMs) {
      lastWindowMs = event.elapsedMs;
      write(`${formatEvent(event)}\n`);
    }
  };
}
