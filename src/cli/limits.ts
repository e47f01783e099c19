import { type Command, Option } from 'commander';
import { BespokeError } from '../common/errors.js';
import { OBJECTIVES, type RequestedObjective, type SearchRequest } from '../specialize/types.js';
import {
  confidence,
  evaluationCount,
  fraction,
  integerList,
  positiveInteger,
  positiveNumber,
  wholeNumber,
} from './arguments.js';
import type { CommandOptions } from './invoke.js';

export interface LimitOptions extends CommandOptions {
  readonly maxLatencyMs?: number;
  readonly maxMacs?: number;
  readonly maxParams?: number;
  readonly maxModelBytes?: number;
  readonly maxPeakMemoryBytes?: number;
  readonly minTop1?: number;
  readonly resolutions?: number[];
  readonly confidence?: number;
}

export interface SearchFlags extends LimitOptions {
  readonly seed: number;
  readonly evaluations: number;
  readonly objective?: RequestedObjective;
  readonly maxSeconds?: number;
}

const LIMITS = ['maxLatencyMs', 'maxMacs', 'maxParams', 'maxModelBytes', 'maxPeakMemoryBytes', 'minTop1'] as const;

export const constraintsOf = (options: LimitOptions): Partial<Record<(typeof LIMITS)[number], number>> =>
  Object.fromEntries(LIMITS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])));

/** The limits as options, for messages. */
const LIMIT_FLAGS = LIMITS.map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`).join(
  ', ',
);

/** @throws BespokeError `invalid-request` where nothing is asked for: no limit, and none of the `others`, which is said to do too */
export function requireLimit(
  command: string,
  options: LimitOptions,
  others: readonly (readonly [string, unknown])[],
): void {
  const asked = [...Object.values(constraintsOf(options)), ...others.map(([, value]) => value)];
  if (asked.some((value) => value !== undefined)) return;
  const rest = others.map(([flag]) => ` or ${flag}`).join('');
  throw new BespokeError('invalid-request', `${command} needs at least one limit (${LIMIT_FLAGS})${rest}, got none`);
}

/** The options that say what is asked of a network. */
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
    .option(
      '--confidence <share>',
      'hold the limits on latency and top-1 against bounds that are kept with this probability, 0.5..1',
      confidence,
    );

/** What a command takes as the budgets of a search. */
interface Budgets {
  readonly evaluations: (text: string) => number;
  readonly maxSeconds: (text: string) => number;
}

/** The same, with how a network is searched for; `budgets` unless told are those of a search without a job. */
export const withSearch = (
  command: Command,
  budgets: Budgets = { evaluations: evaluationCount, maxSeconds: positiveNumber },
): Command =>
  withLimits(command)
    .option('--seed <n>', 'seed of the search', wholeNumber, 1)
    .option(
      '--evaluations <n>',
      'evaluations of the predictor: one per architecture scored, two per look at its slopes',
      budgets.evaluations,
      50_000,
    )
    .addOption(
      new Option('--objective <what>', 'what is made as good as the limits allow (default: accuracy)').choices(
        OBJECTIVES,
      ),
    )
    .option(
      '--max-seconds <s>',
      'end the search after so long; what it found then depends on the machine',
      budgets.maxSeconds,
    );

/** The `search` of a request. */
export const searchOf = ({ evaluations, confidence, maxSeconds }: SearchFlags): Omit<SearchRequest, 'warmStart'> => ({
  evaluations,
  ...(confidence === undefined ? {} : { confidence }),
  ...(maxSeconds === undefined ? {} : { maxSeconds }),
});
