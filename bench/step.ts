/**
 * Speed of a training step (forward, loss, backward) in the standard and the NCHWc lowering.
 *
 *   npx tsx bench/step.ts [space.json]
 *
 * Batch 64, random weights and images, 1 and 2 threads; the lowerings take turns, and the median of the rounds is printed, so that
 * what else the machine does falls on both. The speed per second of CPU time is what a core gives that nothing else uses. `load` is the time that a new sub-network costs: building its graph and its session.
 */
import { readFileSync } from 'node:fs';
import type { Lowering } from '../src/autodiff/term.js';
import { makeRng } from '../src/common/rng.js';
import { createSession, type ModelSession } from '../src/runtime/session.js';
import { maxArch } from '../src/space/arch.js';
import { archCosts } from '../src/space/costs.js';
import { lower } from '../src/space/lower.js';
import { parseSpace } from '../src/space/parse-space.js';
import type { Arch, SearchSpace } from '../src/space/types.js';
import { type FloatTensor, floats, sizeOf } from '../src/tensor/tensor.js';
import { probeLowering } from '../src/train/probe-nchwc.js';
import { buildStepGraph, type StepGraph } from '../src/train/step-graph.js';
import { meanArch } from './training-setup.js';

const BATCH = 64;
const ROUNDS = 9;

function randomFeeds(space: SearchSpace, arch: Arch, graph: StepGraph): Record<string, FloatTensor> {
  const rng = makeRng(1);
  const random = (dims: readonly number[], spread: number, mean = 0): FloatTensor =>
    floats(
      dims,
      Float32Array.from({ length: sizeOf(dims) }, () => mean + spread * rng.normal()),
    );
  const feeds: Record<string, FloatTensor> = {
    images: random([BATCH, space.inputChannels, arch.resolution, arch.resolution], 1),
    targets: floats([BATCH, space.classes], new Float32Array(BATCH * space.classes).fill(1 / space.classes)),
  };
  for (const { name, dims } of graph.parameters) {
    feeds[name] = random(dims, sizeOf(dims.slice(1)) ** -0.5, name.endsWith('bn.weight') ? 1 : 0);
  }
  return feeds;
}

interface Contender {
  readonly name: string;
  readonly session: ModelSession;
  readonly loadMs: number;
  readonly feeds: Record<string, FloatTensor>;
  readonly stepMs: number[];
  readonly cpuMs: number[];
}

async function load(space: SearchSpace, arch: Arch, lowering: Lowering, threads: number): Promise<Contender> {
  const start = performance.now();
  const graph = buildStepGraph(space, lower(space, arch), { batch: BATCH, lowering, mode: 'train' });
  const session = await createSession(graph.model, { threads, optimization: 'disabled' });
  const loadMs = performance.now() - start;
  const feeds = randomFeeds(space, arch, graph);
  await session.run(feeds); // the first run allocates
  return { name: lowering.kind, session, loadMs, feeds, stepMs: [], cpuMs: [] };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function compare(space: SearchSpace, arch: Arch, lowerings: readonly Lowering[], threads: number): Promise<void> {
  const contenders: Contender[] = [];
  for (const lowering of lowerings) contenders.push(await load(space, arch, lowering, threads));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { session, feeds, stepMs, cpuMs } of contenders) {
      const start = performance.now();
      const cpuStart = process.cpuUsage();
      await session.run(feeds);
      stepMs.push(performance.now() - start);
      const { user, system } = process.cpuUsage(cpuStart);
      cpuMs.push((user + system) / 1000);
    }
  }
  const speed = (ms: readonly number[]): number => (BATCH * 1000) / median(ms);
  const cells = contenders.map(({ name, loadMs, stepMs, cpuMs }) => {
    const perCpuSecond = `${speed(cpuMs).toFixed(0)} per CPU second`;
    return `${name} ${speed(stepMs).toFixed(0)} img/s (${perCpuSecond}, load ${loadMs.toFixed(0)} ms)`;
  });
  const [standard, blocked] = contenders;
  const ratio = (of: 'stepMs' | 'cpuMs'): string =>
    standard === undefined || blocked === undefined ? '' : (speed(blocked[of]) / speed(standard[of])).toFixed(2);
  console.log(`  ${threads} thread(s): ${cells.join(', ')}, ratio ${ratio('stepMs')} (CPU ${ratio('cpuMs')})`);
  for (const { session } of contenders) await session.release();
}

async function main(): Promise<void> {
  const path = process.argv[2] ?? 'models/fashion-mnist/space.json';
  const space = parseSpace(JSON.parse(readFileSync(path, 'utf8')), path);
  const probed = await probeLowering(async (model, feeds) => {
    const session = await createSession(model, { threads: 1, optimization: 'disabled' });
    try {
      return await session.run(feeds);
    } finally {
      await session.release();
    }
  });
  console.log(`probed lowering: ${JSON.stringify(probed)}; batch ${BATCH}, median of ${ROUNDS} rounds`);
  const lowerings: Lowering[] = [{ kind: 'standard' }, ...(probed.kind === 'nchwc' ? [probed] : [])];
  const nets = { largest: maxArch(space), mean: meanArch(space, makeRng(1)) };
  for (const [name, arch] of Object.entries(nets)) {
    console.log(`${name}: ${(archCosts(space, arch).macs / 1e6).toFixed(1)} M MACs, resolution ${arch.resolution}`);
    for (const threads of [1, 2]) await compare(space, arch, lowerings, threads);
  }
}

await main();
