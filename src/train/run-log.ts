import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurably } from '../files/durable-write.js';
import type { TrainEvent } from './train-events.js';

/** The run's events, one JSON object per line. */
export const LOG_FILE = 'log.jsonl';

/** Appends an event with the time it happened. */
export function appendLog(dir: string, event: TrainEvent, time: Date): void {
  appendFileSync(join(dir, LOG_FILE), `${JSON.stringify({ time: time.toISOString(), ...event })}\n`);
}

function stepOf(line: string): number | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || !('step' in value)) return undefined;
    return typeof value.step === 'number' ? value.step : undefined;
  } catch {
    return undefined; // a line cut short by a kill
  }
}

/** Drops the lines after a step, which a resumed run is about to write again, and a last line that was cut short. */
export function rewindLog(dir: string, step: number): void {
  const path = join(dir, LOG_FILE);
  if (!existsSync(path)) return;
  const kept = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => (stepOf(line) ?? Number.POSITIVE_INFINITY) <= step);
  writeDurably(dir, LOG_FILE, new TextEncoder().encode(kept.map((line) => `${line}\n`).join('')));
}
