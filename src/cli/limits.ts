import type { Command } from 'commander';
import { fraction, integerList, positiveInteger, positiveNumber, wholeNumber } from './arguments.js';
import type { CommandOptions } from './invoke.js';

export interface LimitOptions extends CommandOptions {
  readonly maxLatencyMs?: number;
  readonly maxMacs?: number;
  readonly maxParams?: number;
  readonly maxModelBytes?: number;
  readonly maxPeakMemoryBytes?: number;
  readonly minTop1?: number;
  readonly resolutions?: number[];
  readonly seed: number;
  readonly evaluations: number;
}

const LIMITS = ['maxLatencyMs', 'maxMacs', 'maxParams', 'maxModelBytes', 'maxPeakMemoryBytes', 'minTop1'] as const;

export const constraintsOf = (options: LimitOptions): Partial<Record<(typeof LIMITS)[number], number>> =>
  Object.fromEntries(LIMITS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])));

export const withLimits = (command: Command): Command =>
  command
    .option(
      '--max-latency-ms <ms>',
      'latency budget, milliseconds: the median (p50), or what the hardware type states',
      positiveNumber,
    )
    .option('--max-macs <n>', 'multiply-accumulates of one forward pass', positiveInteger)
    .option('--max-params <n>', 'learnable parameters', positiveInteger)
    .option('--max-model-bytes <n>', 'size of the ONNX file', positiveInteger)
    .option('--max-peak-memory-bytes <n>', 'peak activation memory at batch 1', positiveInteger)
    .option('--min-top1 <share>', 'least top-1, 0..1', fraction)
    .option('--resolutions <list>', 'input sides to search, separated by commas', integerList)
    .option('--seed <n>', 'seed of the search', wholeNumber, 1)
    .option('--evaluations <n>', 'architectures to score', positiveInteger, 50_000);
