import { invariant } from '../common/invariant.js';
import type { LatencyStatistic } from '../common/latency-statistic.js';
import { makeRng } from '../common/rng.js';
import { nextStep, type Steps, stepsOf } from '../common/work.js';
import { decodeModel } from '../onnx/codec.js';
import type { ValueInfo } from '../onnx/ir.js';
import { createSession, type ModelSession } from '../runtime/session.js';
import { estimate, quantileOf, samplesNeeded, type TimedRun, timeInterleaved } from '../runtime/timing.js';
import { floats, sizeOf, type Tensor } from '../tensor/tensor.js';
import type { MeasuredLatency } from './types.js';

export interface LatencyOptions extends Steps {
  /** Threads inside an operator; 1 unless told. */
  readonly threads?: number;
  /** p50 unless told. */
  readonly statistic?: LatencyStatistic;
  /** Timed runs per model at least; 100 unless told. What the statistic's 99 % interval needs (p99: 528) is always run. */
  readonly minSamples?: number;
  /** Time of one model's runs after which no more than the least number is run; 500 ms unless told. */
  readonly maxMs?: number;
  /** Time of one model's runs after which what its statistic's interval needs is enough; no such time unless told. */
  readonly longMs?: number;
}

/** A seeded standard-normal input at batch 1; only float32 inputs occur in models made or checked here. */
function randomInput(info: ValueInfo): Tensor {
  invariant(
    info.type === 'float32',
    () => `the input "${info.name}" has the type ${info.type}; timed are float32 inputs`,
  );
  // A symbolic or unknown dimension is the batch: latency is measured at batch 1.
  const dims = info.dims.map((dim) => (typeof dim === 'number' && dim > 0 ? dim : 1));
  const rng = makeRng(0);
  return floats(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => rng.normal()),
  );
}

/** A loaded model with its input, ready to be run again and again. */
export interface LoadedModel {
  readonly run: TimedRun;
  release(): Promise<void>;
}

/** Loads a model for timing: fully optimized, batch 1, a fixed random input of its own shape. */
export async function loadForTiming(model: Uint8Array, threads: number): Promise<LoadedModel> {
  const feeds = Object.fromEntries(decodeModel(model).graph.inputs.map((info) => [info.name, randomInput(info)]));
  const session: ModelSession = await createSession(model, { threads, optimization: 'all' });
  return { run: () => session.run(feeds), release: () => session.release() };
}

function toMeasured(sorted: Float64Array, statistic: LatencyStatistic): MeasuredLatency {
  const { value, low, high } = estimate(sorted, statistic);
  return {
    statistic,
    valueMs: value,
    lowMs: low,
    highMs: high,
    samples: sorted.length,
    p50Ms: quantileOf(sorted, 0.5),
    p90Ms: quantileOf(sorted, 0.9),
    p99Ms: quantileOf(sorted, 0.99),
  };
}

/**
 * Times several models against each other, a few runs of each in turn, so that what disturbs the machine disturbs all alike.
 * Batch 1, random input, after warm-up; every run timed by itself.
 * @param models encoded ONNX models with float32 inputs
 * @returns one measurement per model, in order
 * @throws BespokeError `invalid-request` if a model cannot be decoded or loaded; the signal's reason if aborted
 */
export async function measureLatencies(
  models: readonly Uint8Array[],
  options: LatencyOptions = {},
): Promise<MeasuredLatency[]> {
  const statistic = options.statistic ?? 'p50';
  const loaded: LoadedModel[] = [];
  try {
    for (const model of models) {
      await nextStep(options);
      loaded.push(await loadForTiming(model, options.threads ?? 1));
    }
    const samples = await timeInterleaved(
      loaded.map(({ run }) => run),
      {
        minSamples: Math.max(options.minSamples ?? 100, samplesNeeded(statistic)),
        neededSamples: samplesNeeded(statistic),
        longMs: options.longMs ?? Number.POSITIVE_INFINITY,
        maxMs: options.maxMs ?? 500,
        warmUpRuns: 5,
        burst: 10,
        ...stepsOf(options),
      },
    );
    return samples.map((sorted) => toMeasured(sorted, statistic));
  } finally {
    for (const model of loaded) await model.release();
  }
}

/**
 * Times one model: batch 1, random input of the model's own shape, after warm-up, every run timed by itself.
 * Callers hold the machine's measurement lock.
 * @param model encoded ONNX model with float32 inputs
 * @throws BespokeError `invalid-request` if the model cannot be decoded or loaded; the signal's reason if aborted
 */
export async function measureLatency(model: Uint8Array, options: LatencyOptions = {}): Promise<MeasuredLatency> {
  const [measured] = await measureLatencies([model], options);
  invariant(measured !== undefined, () => 'one model gives one measurement');
  return measured;
}
