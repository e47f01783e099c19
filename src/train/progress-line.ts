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

/** A window as one line for people. */
function formatWindow(event: WindowEvent): string {
  return windowParts(event).join(' | ');
}

/** What a window says, in order. */
function windowParts(event: WindowEvent): readonly [string, string, string, string] {
  const place = `${percent(event.step / event.steps)} step ${event.step}/${event.steps} ${event.phase}`;
  const speed = `${Math.round(event.imagesPerSecond)} images/s, ${formatDuration(event.etaMs)} left`;
  return [place, speed, `lr ${event.lr.toPrecision(3)}`, figures(event)];
}

/** The same behind a bar, as much of it as goes into one row: a line that wraps could not be drawn over. */
function formatBar(event: WindowEvent, columns: number): string {
  const share = event.step / event.steps;
  const filled = Math.round(share * BAR_WIDTH);
  const bar = `[${'='.repeat(filled)}${' '.repeat(BAR_WIDTH - filled)}]`;
  const [place, speed, lr, nets] = windowParts(event);
  const brief = `${percent(share)}, ${formatDuration(event.etaMs)} left`;
  const whole = [place, speed, lr, nets].join(' | ');
  const choices = [`${bar} ${whole}`, whole, `${place} | ${speed} | ${nets}`, `${bar} ${place} | ${speed}`];
  const narrow = [`${place} | ${speed}`, `${bar} ${brief}`, `${place}, ${formatDuration(event.etaMs)} left`, brief];
  return [...choices, ...narrow].find(({ length }) => length < columns) ?? brief.slice(0, Math.max(0, columns - 1));
}

function formatValidation(event: ValidationEvent): string {
  const nets = Object.entries(event.batchStatisticsTop1).map(([name, top1]) => `${name} ${percent(top1)}`);
  return `held-out top-1 by batch statistics after ${event.images} images: ${nets.join(', ')}`;
}

/** Any event as one line. */
function formatEvent(event: TrainEvent): string {
  switch (event.kind) {
    case 'window':
      return formatWindow(event);
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
    case 'failed':
      return `failed at step ${event.step}: ${event.detail}`;
    case 'finished':
      return `finished after ${event.step} steps in ${formatDuration(event.elapsedMs)}: ${event.weights}`;
  }
}

/** Width of a terminal that does not tell it. */
const USUAL_COLUMNS = 80;

/**
 * Shows events: on a terminal a bar that is drawn over itself, elsewhere lines, of which windows come at most every `quietMs`.
 * @param write appends text to the output
 * @param columns width of the terminal, asked before each drawing; of standard error unless told
 */
export function progressPrinter(
  write: (text: string) => void,
  terminal: boolean,
  quietMs: number,
  columns: () => number = () => process.stderr.columns ?? USUAL_COLUMNS,
): (event: TrainEvent) => void {
  const clear = terminal ? '\r\u001b[2K' : '';
  let lastWindowMs = Number.NEGATIVE_INFINITY;
  return (event) => {
    if (event.kind === 'failed') {
      write(clear); // the error itself is told by whoever catches it
    } else if (event.kind !== 'window') {
      write(`${clear}${formatEvent(event)}\n`);
    } else if (terminal) {
      write(`${clear}${formatBar(event, columns())}`);
    } else if (event.elapsedMs - lastWindowMs >= quietMs) {
      lastWindowMs = event.elapsedMs;
      write(`${formatEvent(event)}\n`);
    }
  };
}
