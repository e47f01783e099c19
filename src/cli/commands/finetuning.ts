import { join } from 'node:path';
import type { Command } from 'commander';
import { BespokeError } from '../../common/errors.js';
import { PACKAGE_ROOT } from '../../config.js';
import { runWithAllocator } from '../allocator.js';
import { positiveInteger, positiveNumber, repeated, wholeNumber } from '../arguments.js';
import { type CommandOptions, run } from '../invoke.js';

interface Options extends CommandOptions {
  readonly supernet: string;
  readonly arch: string;
  readonly out: string;
  readonly report?: string;
  readonly data?: string;
  readonly recipe: string;
  readonly teacher: readonly string[];
  readonly images?: number;
  readonly epochs?: number;
  readonly minutes?: number;
  readonly run?: string;
  readonly resume?: boolean;
  readonly seed: number;
  readonly workers: number;
  readonly lowering: string;
}

const DEFAULT_RECIPE = join(PACKAGE_ROOT, 'scripts', 'recipes', 'finetune.json');

/** Only one of the ways to say how long. */
function assertOneLength({ images, epochs, minutes }: Options): void {
  const given = Object.entries({ images, epochs, minutes }).filter(([, value]) => value !== undefined);
  if (given.length <= 1) return;
  const names = given.map(([name]) => `--${name}`).join(' and ');
  throw new BespokeError('invalid-request', `${names} each say how long to train; give one of them`);
}

/** `finetune`: one architecture, trained further by itself. */
export function addFinetuning(program: Command): void {
  program
    .command('finetune')
    .description('train one extracted sub-network further, distilled from the largest (docs/fine-tuning.md)')
    .requiredOption('--supernet <id>', 'id or folder of a bundle')
    .requiredOption('--arch <file>', 'JSON of the architecture, a report, or a delivered .onnx; - reads standard input')
    .option(
      '--data <dir>',
      'folder of the images that the supernet was trained on (default: Fashion-MNIST of the Debian package)',
    )
    .option('--minutes <m>', 'train for about so long (default: 25)', positiveNumber)
    .option('--images <n>', 'train on so many images', positiveInteger)
    .option('--epochs <n>', 'train so many times on all images', positiveNumber)
    .option('-o, --out <file>', 'where the model goes', 'model.onnx')
    .option('--report <file>', 'where the report goes (JSON): top-1 before and after, and how it was trained')
    .option('--recipe <file>', 'how to train', DEFAULT_RECIPE)
    .option(
      '--teacher <file>',
      "ONNX network that teaches; give it again for an ensemble (default: the supernet's largest)",
      repeated,
      [] as readonly string[],
    )
    .option('--run <dir>', 'folder of checkpoints and log.jsonl (default: beside the model, <model>.finetune)')
    .option('--resume', "go on from the run folder's newest whole checkpoint, or start if there is none")
    .option('--workers <n>', 'threads, each with its own part of every batch', positiveInteger, 2)
    .option('--seed <n>', 'seed of the batches', wholeNumber, 1)
    .option('--lowering <kind>', 'auto, standard, nchwc8 or nchwc16: operators of the step graphs', 'auto')
    .action(
      run<Options>(async ({ terminal, config }, options) => {
        assertOneLength(options);
        const code = await runWithAllocator();
        if (code !== undefined) return code;
        const { finetuneCommand } = await import('../finetune.js');
        const { readArch } = await import('../finetune-arch.js');
        const { resolveBundle } = await import('../offline.js');
        const bundle = await resolveBundle(options.supernet, config.modelDirs);
        const arch = await readArch(bundle, options.arch);
        const { out, data, report, resume = false } = options;
        const runDir = options.run ?? `${out.replace(/\.onnx$/, '')}.finetune`;
        return finetuneCommand(terminal, bundle, arch, { ...options, data, report, resume, run: runDir });
      }),
    );
}
