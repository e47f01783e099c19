import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurably } from '../files/durable-write.js';
import { fileFailed } from '../files/file-problem.js';
import type { TrainEvent } from './train-events.js';

/** The run's events, one JSON object per line. */
export const LOG_FILE = 'log.jsonl';

/** Appends an event with the time it happened. @throws BespokeError `storage-failed` when the folder cannot be written */
export function appendLog(dir: string, event: TrainEvent, time: Date): void {
  const path = join(dir, LOG_FILE);
  try {
    appendFileSync(path, `${JSON.stringify({ time: time.toISOString(), ...event })}\n`);
  } catch (error) {
    throw fileFailed(`the log ${path} could not be written`, error);
  }
}

/** The event of a line; undefined for a line that was cut short by a kill. */
function eventOf(line: string): TrainEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || !('kind' in value && 'step' in value)) return undefined;
    return value as TrainEvent; // whole lines of this file are what `appendLog` wrote
  } catch {
    return undefined;
  }
}

/**
 * Drops the lines after a step, which a resumed run is about to write again, and a last line that was cut short.
 * @returns the events of the lines that stay
 */
export function rewindLog(dir: string, step: number): readonly TrainEvent[] {
  const path = join(dir, LOG_FILE);
  if (!existsSync(path)) return [];
  const kept = readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const event = eventOf(line);
      return event !== undefined && event.step <= step ? [{ line, event }] : [];
    });
  writeDurably(dir, LOG_FILE, new TextEncoder().encode(kept.map(({ line }) => `${line}\n`).join('')));
  return kept.map(({ event }) => event);
}
