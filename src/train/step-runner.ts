import type { Lowering } from '../autodiff/term.js';
import { invariant } from '../common/invariant.js';
import { makeRng } from '../common/rng.js';
import type { MutablePixels } from '../data/augment.js';
import { augmentBatch } from '../data/augment.js';
import { type BatchSource, makeBatches } from '../data/batches.js';
import { prepareBatch, prepareImages, takePixels } from '../data/prepare-images.js';
import type { Arch, SearchSpace } from '../space/types.js';
import type { FloatTensor } from '../tensor/tensor.js';
import { FrozenTeachers, type TeacherModel } from './frozen-teacher.js';
import { NetSession, type NetSessionOptions } from './net-session.js';
import type { ParameterLayout } from './parameter-layout.js';
import { extremesOf, type StepPosition } from './phases.js';
import type { Recipe } from './recipe.js';
import { SessionPool } from './session-pool.js';
import type { SingleNetSetup } from './single-net.js';
import { type AttendedFront, type ScheduledSubnet, subnetsOfStep } from './subnet-schedule.js';
import { countCorrect, distillationTargets, smoothedTargets, softmaxRows } from './targets.js';
import type { TrainingData } from './training-data.js';

/** Which part of the sandwich a net is; `single`: the one network of a run that trains no supernet. */
export type NetRole = 'largest' | 'smallest' | 'random' | 'single';

/** What one net did in one step on one worker. */
export interface NetReport {
  readonly role: NetRole;
  /** Mean cross-entropy to its targets. */
  readonly loss: number;
  /** Right first guesses on the augmented images. */
  readonly correct: number;
  readonly images: number;
  readonly ms: number;
}

/** Everything a worker needs; flat vectors are of the layout's size and may lie in shared memory. */
export interface StepRunnerOptions {
  readonly space: SearchSpace;
  readonly recipe: Recipe;
  readonly layout: ParameterLayout;
  readonly lowering: Lowering;
  readonly executionProviders?: readonly string[] | undefined;
  /** Sessions keep arenas of their own, unless told: not needed where the process keeps freed memory (`keepsFreedMemory`). The results are the same. */
  readonly memoryArena: boolean | undefined;
  readonly seed: number;
  readonly worker: number;
  readonly workers: number;
  readonly data: TrainingData;
  /** Read at the start of every step. */
  readonly weights: Float32Array;
  /** Weights of a frozen teacher; read at the start of every phase. */
  readonly teacher: Float32Array;
  /** Overwritten by every step with the sum of its nets' gradients. */
  readonly gradient: Float32Array;
  /** Present: this one network is trained as the largest; the space is then `plainSpace`. */
  readonly net?: SingleNetSetup;
  /** Present: they teach in the phases with a frozen teacher, in place of the largest net. */
  readonly teachers?: readonly TeacherModel[] | undefined;
  /** Present: what phases with a `frontShare` draw from. */
  readonly front?: AttendedFront | undefined;
}

/** The images of one step, and the same labels for all its nets. */
interface StepBatch {
  readonly labels: Uint8Array;
  at(resolution: number): FloatTensor;
}

/** One worker's share of a training step: its half of the images through every net of the sandwich. */
export class StepRunner {
  readonly #options: StepRunnerOptions;
  readonly #pool = new SessionPool();
  /** The runtime refuses shared memory, so the weights are copied out once per step. */
  readonly #weights: Float32Array;
  readonly #teacher: Float32Array;
  readonly #gradient: Float32Array;
  readonly #teachers: FrozenTeachers | undefined;
  #phaseIndex = -1;
  #batches: BatchSource | undefined;

  constructor(options: StepRunnerOptions) {
    this.#options = options;
    this.#weights = new Float32Array(options.layout.size);
    this.#teacher = new Float32Array(options.layout.size);
    this.#gradient = new Float32Array(options.layout.size);
    this.#teachers = options.teachers === undefined ? undefined : new FrozenTeachers(options.teachers, options);
  }

  /** Trains this worker's nets on its images of a step; the gradients' sum is left in `options.gradient`. */
  async step(position: StepPosition): Promise<readonly NetReport[]> {
    await this.#enter(position);
    const { phase, stepInPhase } = position;
    const { space, net } = this.#options;
    this.#weights.set(this.#options.weights);
    this.#gradient.fill(0);
    const batch = this.#batch(position);
    const hard = smoothedTargets(batch.labels, space.classes, phase.labelSmoothing);
    const { largest, smallest } =
      net === undefined ? extremesOf(space, phase.elastic) : { largest: net.arch, smallest: net.arch };
    const reports: NetReport[] = [];
    const train = async (
      role: NetRole,
      place: string,
      subnet: Subnet,
      targets: Float32Array,
    ): Promise<Float32Array> => {
      const start = performance.now();
      const net = await this.#pool.net(
        place,
        subnet.generation,
        subnet.arch,
        this.#netOptions(position.phase.batch, 'train'),
      );
      const output = await net.run(batch.at(subnet.arch.resolution), targets, this.#gradient);
      const correct = countCorrect(output.logits, batch.labels, space.classes);
      const ms = performance.now() - start;
      reports.push({ role, loss: output.loss ?? Number.NaN, correct, images: batch.labels.length, ms });
      return output.logits;
    };
    const fixed = (arch: Arch): Subnet => ({ arch, generation: 0 });
    let taught = phase.teacher === 'frozen' ? await this.#taught(position, largest, batch) : undefined;
    const softened = (): Float32Array =>
      taught === undefined ? hard : distillationTargets(hard, taught, phase.kdRatio);
    if (phase.largestEvery > 0 && stepInPhase % phase.largestEvery === 0) {
      const logits = await train(net === undefined ? 'largest' : 'single', 'largest', fixed(largest), softened());
      if (phase.teacher === 'inplace') taught = softmaxRows(logits, space.classes);
    } else if (phase.teacher === 'inplace') taught = await this.#taught(position, largest, batch);
    const targets = softened();
    if (phase.smallest) await train('smallest', 'smallest', fixed(smallest), targets);
    for (const subnet of this.#subnetsOf(position)) {
      await train('random', `random.${subnet.poolIndex}`, subnet, targets);
    }
    this.#options.gradient.set(this.#gradient);
    return reports;
  }

  /** Makes the sessions that a step of this phase needs, so that they are there when it begins. They hold no weights: the results are the same. */
  async prepare(position: StepPosition): Promise<void> {
    if (position.phaseIndex !== this.#phaseIndex) return;
    const options = this.#netOptions(position.phase.batch, 'train');
    for (const { poolIndex, generation, arch } of this.#subnetsOf(position)) {
      await this.#pool.net(`random.${poolIndex}`, generation, arch, options);
    }
  }

  #subnetsOf(position: StepPosition): readonly ScheduledSubnet[] {
    return subnetsOfStep({ ...this.#options, pool: this.#options.recipe.pool }, position);
  }

  /**
   * Right first guesses of one arch on held-out images, batch norm by the statistics of each validation batch itself:
   * a progress figure, not the calibrated top-1 of a delivered net. Images beyond the last whole batch are left out.
   */
  async validate(arch: Arch, indices: readonly number[], batch: number): Promise<{ correct: number; images: number }> {
    const { data, space } = this.#options;
    this.#weights.set(this.#options.weights);
    const net = await NetSession.create(arch, this.#netOptions(batch, 'forward'));
    let correct = 0;
    let images = 0;
    try {
      for (let start = 0; start + batch <= indices.length; start += batch) {
        const chosen = indices.slice(start, start + batch);
        const { logits } = await net.run(prepareImages(data.images, chosen, data.input, arch.resolution));
        correct += countCorrect(logits, labelsOf(data, chosen), space.classes);
        images += batch;
      }
    } finally {
      await net.release();
    }
    return { correct, images };
  }

  async release(): Promise<void> {
    await this.#pool.clear();
    await this.#teachers?.release();
  }

  /** At a phase's first step here: new batches, new nets, the phase's teacher. */
  async #enter(position: StepPosition): Promise<void> {
    if (position.phaseIndex === this.#phaseIndex) return;
    const { data, seed, workers, teacher } = this.#options;
    await this.#pool.clear();
    this.#phaseIndex = position.phaseIndex;
    this.#teacher.set(teacher);
    const orderSeed = makeRng(seed)
      .fork('order')
      .fork(position.phaseIndex)
      .int(2 ** 32);
    this.#batches = makeBatches(data.train, position.phase.batch * workers, orderSeed);
  }

  #netOptions(batch: number, mode: 'train' | 'forward'): NetSessionOptions {
    const { space, layout, lowering, executionProviders, memoryArena } = this.#options;
    return { space, layout, lowering, executionProviders, memoryArena, batch, mode, weights: this.#weights };
  }

  /** The teacher's softmax: of those from outside, or of the largest net by the frozen weights or by those of now, without its gradient. */
  async #taught(position: StepPosition, largest: Arch, batch: StepBatch): Promise<Float32Array> {
    const { classes } = this.#options.space;
    const frozen = position.phase.teacher === 'frozen';
    if (frozen && this.#teachers !== undefined) return this.#teachers.probabilities(batch.at, classes);
    const options = this.#netOptions(position.phase.batch, 'forward');
    const weights = frozen ? this.#teacher : this.#weights;
    const net = await this.#pool.net('teacher', 0, largest, { ...options, weights });
    return softmaxRows((await net.run(batch.at(largest.resolution))).logits, classes);
  }

  /** This worker's part of a step's images, augmented; resized once per resolution that is asked for. */
  #batch(position: StepPosition): StepBatch {
    const { data, seed, worker } = this.#options;
    const { phase, stepInPhase, phaseSteps, phaseIndex } = position;
    invariant(this.#batches !== undefined, () => 'a batch was asked for before its phase was entered');
    const all = this.#batches.indices(stepInPhase);
    const indices = all.slice(worker * phase.batch, (worker + 1) * phase.batch);
    const pixels: MutablePixels = takePixels(data.images, indices);
    const { flip, shift, erase, eraseUntil } = phase.augment;
    const erasing = stepInPhase < eraseUntil * phaseSteps ? erase : 0;
    const rng = makeRng(seed).fork('augment').fork(phaseIndex).fork(worker).fork(stepInPhase);
    augmentBatch(pixels, { flip, shift, erase: erasing }, rng);
    const prepared = new Map<number, FloatTensor>();
    const at = (resolution: number): FloatTensor => {
      const known = prepared.get(resolution) ?? prepareBatch(pixels, data.input, resolution);
      prepared.set(resolution, known);
      return known;
    };
    return { labels: labelsOf(data, indices), at };
  }
}

interface Subnet {
  readonly arch: Arch;
  readonly generation: number;
}

function labelsOf(data: TrainingData, indices: ArrayLike<number>): Uint8Array {
  const { labels } = data.images;
  invariant(labels !== undefined, () => 'training images have labels');
  return Uint8Array.from(indices, (index) => labels[index]!);
}
