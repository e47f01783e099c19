/**
 * This project's side of bench/training.ts, in a process of its own so that memory and allocator settings are its own.
 * Answers each line of JSON on stdin with one on stdout.
 */
import { createInterface } from 'node:readline';
import { needsArenas } from '../src/cli/allocator.js';
import { invariant } from '../src/common/invariant.js';
import { makeRng } from '../src/common/rng.js';
import { GraphBuilder } from '../src/onnx/builder.js';
import { encodeModel } from '../src/onnx/codec.js';
import { createSession } from '../src/runtime/session.js';
import type { Arch, SearchSpace } from '../src/space/types.js';
import { floats } from '../src/tensor/tensor.js';
import { chooseLowering } from '../src/train/choose-lowering.js';
import { NetSession } from '../src/train/net-session.js';
import { ElementwiseOptimizer, type OptimizerState } from '../src/train/optimizer.js';
import type { ParameterLayout } from '../src/train/parameter-layout.js';
import type { Recipe } from '../src/train/recipe.js';
import { shareImages, type TrainingData } from '../src/train/training-data.js';
import { sharedFloats, WorkerCrew } from '../src/train/worker-crew.js';
import { benchBatch, roughWeights, UPDATE } from './training-setup.js';

/** So many steps of one network. */
interface StepsRequest {
  readonly kind: 'steps';
  readonly key: string;
  readonly arch: Arch;
  readonly batch: number;
  readonly threads: number;
  readonly count: number;
}

/** So many steps of a recipe on worker threads. */
interface CrewRequest {
  readonly kind: 'crew';
  readonly key: string;
  readonly recipe: Recipe;
  readonly workers: number;
  readonly count: number;
}

type Request =
  | { readonly kind: 'open'; readonly space: SearchSpace; readonly seed: number }
  | StepsRequest
  | CrewRequest
  | { readonly kind: 'drop' }
  | { readonly kind: 'rate'; readonly threads: number };

/** Images of random pixels that crews train on. */
const CREW_IMAGES = 2048;
/** Side of the square matrices that the machine's rate is measured with, and how often. */
const RATE_SIDE = 1024;
const RATE_RUNS = 5;

/** A supernet with its momentum and everything that a step needs beside gradients. */
class Model {
  readonly layout: ParameterLayout;
  readonly state: OptimizerState;
  readonly gradient: Float32Array;
  readonly #optimizer: ElementwiseOptimizer;
  #step = 0;

  constructor(space: SearchSpace, seed: number, isShared: boolean) {
    const { layout, weights } = roughWeights(space, seed);
    const own = isShared ? sharedFloats(layout.size) : weights;
    own.set(weights);
    const zeros = () => new Float32Array(layout.size);
    this.layout = layout;
    this.state = { weights: own, velocity: zeros(), secondMoment: zeros() };
    this.gradient = zeros();
    this.#optimizer = new ElementwiseOptimizer(layout, { kind: 'sgd', momentum: UPDATE.momentum });
  }

  update(): Promise<number> {
    return this.#optimizer.update(this.state, this.gradient, { ...UPDATE, step: this.#step++ });
  }
}

/** One network with a session of its own. */
interface Contender {
  readonly model: Model;
  readonly net: NetSession;
  readonly batch: ReturnType<typeof benchBatch>;
}

/** A recipe under way. */
interface Running {
  readonly model: Model;
  readonly crew: WorkerCrew;
  step: number;
}

class Trainer {
  readonly #space: SearchSpace;
  readonly #seed: number;
  readonly #contenders = new Map<string, Contender>();
  readonly #crews = new Map<string, Running>();

  constructor(space: SearchSpace, seed: number) {
    this.#space = space;
    this.#seed = seed;
  }

  async #contender({ key, arch, batch, threads }: StepsRequest): Promise<Contender> {
    const known = this.#contenders.get(key);
    if (known !== undefined) return known;
    const [space, seed] = [this.#space, this.#seed];
    const model = new Model(space, seed, false);
    const { layout, state } = model;
    const lowering = await chooseLowering('auto');
    const given = { layout, lowering, batch, threads, memoryArena: needsArenas() };
    const options = { space, ...given, mode: 'train', weights: state.weights } as const;
    const net = await NetSession.create(arch, options);
    const made = { model, net, batch: benchBatch(space, seed, { count: batch, resolution: arch.resolution }) };
    this.#contenders.set(key, made);
    return made;
  }

  async steps(request: StepsRequest) {
    const { model, net, batch } = await this.#contender(request);
    const [ms, cpuMs, losses]: [number[], number[], number[]] = [[], [], []];
    for (let i = 0; i < request.count; i++) {
      const [start, cpu] = [performance.now(), process.cpuUsage()];
      model.gradient.fill(0);
      const { loss } = await net.run(batch.images, batch.targets, model.gradient);
      await model.update();
      ms.push(performance.now() - start);
      const { user, system } = process.cpuUsage(cpu);
      cpuMs.push((user + system) / 1000);
      losses.push(loss ?? Number.NaN);
    }
    return { ms, cpuMs, loss: losses[0] };
  }

  #data(): TrainingData {
    const { inputChannels: channels, classes, resolutions } = this.#space;
    const side = Math.max(...resolutions);
    const rng = makeRng(this.#seed).fork('pixels');
    const pixels = Uint8Array.from({ length: CREW_IMAGES * side * side * channels }, () => rng.int(256));
    const labels = Uint8Array.from({ length: CREW_IMAGES }, (_, i) => i % classes);
    const images = shareImages({ count: CREW_IMAGES, height: side, width: side, channels, pixels, labels });
    const each = <T>(value: T): T[] => Array.from({ length: channels }, () => value);
    const input = {
      ...{ channels, channelOrder: channels === 1 ? 'grey' : 'rgb', range: [0, 1], mean: each(0.5), std: each(0.3) },
      ...{ resize: 'bilinear', antialias: true, cropFraction: 1 },
    } as TrainingData['input'];
    return { images, input, train: Array.from({ length: CREW_IMAGES }, (_, i) => i), selection: [] };
  }

  async #running({ key, recipe, workers }: CrewRequest): Promise<Running> {
    const known = this.#crews.get(key);
    if (known !== undefined) return known;
    const [space, seed] = [this.#space, this.#seed];
    const model = new Model(space, seed, true);
    const lowering = await chooseLowering('auto');
    const { weights } = model.state;
    const teacher = sharedFloats(model.layout.size);
    const setup = {
      space,
      recipe,
      lowering,
      seed,
      workers,
      data: this.#data(),
      weights,
      teacher,
      memoryArena: needsArenas(),
    };
    const running = { model, crew: new WorkerCrew(setup), step: 0 };
    this.#crews.set(key, running);
    return running;
  }

  async crew(request: CrewRequest) {
    const running = await this.#running(request);
    const { model, crew } = running;
    const [start, cpu] = [performance.now(), process.cpuUsage()];
    const stepMs: number[] = [];
    for (let i = 0; i < request.count; i++) {
      const begun = performance.now();
      await crew.step(running.step++);
      crew.averageInto(model.gradient);
      await model.update();
      stepMs.push(performance.now() - begun);
    }
    const { user, system } = process.cpuUsage(cpu);
    return { ms: performance.now() - start, cpuMs: (user + system) / 1000, stepMs };
  }

  async drop() {
    for (const { net } of this.#contenders.values()) await net.release();
    for (const { crew } of this.#crews.values()) await crew.close();
    this.#contenders.clear();
    this.#crews.clear();
    return {};
  }

  /** Multiply-adds per second of the runtime's own matrix product: what the machine gives where memory does not matter. */
  async rate({ threads }: { readonly threads: number }) {
    const builder = new GraphBuilder('rate');
    const dims = [RATE_SIDE, RATE_SIDE];
    const factors = [builder.input('a', 'float32', dims), builder.input('b', 'float32', dims)];
    builder.output(builder.node('MatMul', factors, { name: 'c' }), 'float32', dims);
    const session = await createSession(encodeModel(builder.model()), { threads, optimization: 'disabled' });
    const [a, b] = [
      floats(dims, new Float32Array(RATE_SIDE ** 2).fill(0.5)),
      floats(dims, new Float32Array(RATE_SIDE ** 2).fill(2)),
    ];
    const macsPerSecond: number[] = [];
    for (let run = 0; run <= RATE_RUNS; run++) {
      const start = performance.now();
      await session.run({ a, b });
      if (run > 0) macsPerSecond.push((RATE_SIDE ** 3 * 1000) / (performance.now() - start)); // the first one warms up
    }
    await session.release();
    return { macsPerSecond };
  }
}

let trainer: Trainer | undefined;

async function answer(request: Request): Promise<unknown> {
  if (request.kind === 'open') {
    trainer = new Trainer(request.space, request.seed);
    return { lowering: await chooseLowering('auto') };
  }
  invariant(trainer !== undefined, () => 'the first request is "open"');
  if (request.kind === 'steps') return trainer.steps(request);
  if (request.kind === 'crew') return trainer.crew(request);
  return request.kind === 'rate' ? trainer.rate(request) : trainer.drop();
}

for await (const line of createInterface(process.stdin)) {
  let reply: unknown;
  try {
    reply = { ok: await answer(JSON.parse(line) as Request) };
  } catch (error) {
    reply = { error: error instanceof Error ? error.message : String(error) };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
