import type { Progress } from '../common/work.js';

/** Where a command talks: results to stdout, everything on the way to stderr. */
export interface Terminal {
  /** A result for people; left out with `--json`. */
  print(text: string): void;
  /** The one JSON value of `--json`. */
  printJson(value: unknown): void;
  /** Progress: a bar on a terminal, a line now and then elsewhere. */
  progress(label: string, progress: Progress): void;
  /** A remark on stderr. */
  note(text: string): void;
  /** Ends a bar that is being drawn. */
  endProgress(): void;
  readonly isJson: boolean;
}

const BAR_WIDTH = 28;
/** Where stderr is no terminal, a line is written when this much more is done. */
const LINE_STEP = 0.1;

/** The terminal of this process. */
export function makeTerminal(isJson: boolean): Terminal {
  let isDrawing = false;
  let lastLabel = '';
  let lastFraction = 0;
  const endProgress = (): void => {
    if (isDrawing) process.stderr.write('\n');
    isDrawing = false;
  };
  const drawBar = (label: string, fraction: number, note: string): void => {
    const filled = Math.round(fraction * BAR_WIDTH);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`;
    process.stderr.write(`\r\x1b[2K${label} ${bar} ${String(Math.round(fraction * 100)).padStart(3)} %${note}`);
    isDrawing = true;
  };
  const writeLine = (label: string, fraction: number, note: string): void => {
    const isNew = label !== lastLabel;
    if (!isNew && fraction < lastFraction + LINE_STEP && fraction < 1) return;
    if (!isNew && fraction <= lastFraction) return;
    process.stderr.write(`${label} ${Math.round(fraction * 100)} %${note}\n`);
    lastFraction = fraction;
  };
  return {
    isJson,
    print: (text) => {
      endProgress();
      if (!isJson) process.stdout.write(`${text}\n`);
    },
    printJson: (value) => {
      endProgress();
      if (isJson) process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
    },
    note: (text) => {
      endProgress();
      process.stderr.write(`${text}\n`);
    },
    progress: (label, { done, total, note }) => {
      const fraction = total > 0 ? Math.min(1, done / total) : 0;
      const remark = note === undefined ? '' : `  ${note}`;
      if (process.stderr.isTTY) drawBar(label, fraction, remark);
      else writeLine(label, fraction, remark);
      lastLabel = label;
    },
    endProgress,
  };
}
