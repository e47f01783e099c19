import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

/** One line of the results: what a finished training gave. No figure of it comes from test images. */
export interface PartResult {
  readonly part: string;
  readonly kind: 'alone' | 'finetune';
  readonly net: string;
  readonly seed: number;
  readonly macs: number;
  readonly params: number;
  readonly images: number;
  readonly epochs: number;
  readonly steps: number;
  /** Processor time of training, s. */
  readonly cpuSeconds: number;
  readonly recipe: string;
  /** On the bundle's verification images. */
  readonly verificationTop1: number;
  /** Of a fine-tuned network: as the supernet gives it. */
  readonly verificationTop1Before?: number;
  /** Held-out top-1 by batch statistics against images seen. */
  readonly curve: readonly (readonly [images: number, top1: number])[];
  /** Path of the ONNX model within the folder. */
  readonly model: string;
  readonly modelSha256: string;
  readonly device: string;
  readonly versions: Readonly<Record<'bespoke' | 'onnxruntime' | 'node', string>>;
  readonly finishedAt: string;
}

const RESULTS_FILE = 'results.jsonl';

/** The results of a folder; a last line that was cut short is taken off the file. */
export function readResults(dir: string): readonly PartResult[] {
  const path = join(dir, RESULTS_FILE);
  if (!existsSync(path)) return [];
  const text = readFileSync(path, 'utf8');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  if (whole.length < text.length) truncateSync(path, Buffer.byteLength(whole));
  return whole
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as PartResult); // addResult's
}

/** Adds a result. */
export function addResult(dir: string, result: PartResult): void {
  appendFileSync(join(dir, RESULTS_FILE), `${JSON.stringify(result)}\n`, { flush: true });
}
