import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BespokeError } from '../../src/common/errors.js';
import { makeRng } from '../../src/common/rng.js';
import { canonicalArch } from '../../src/space/arch.js';
import { archCosts } from '../../src/space/costs.js';
import { parseArch } from '../../src/space/reference-spelling.js';
import { sampleArch } from '../../src/space/sample.js';
import type { Arch, SearchSpace } from '../../src/space/types.js';
import type { Bundle } from '../../src/supernet/types.js';
import { mobileNetV3Small } from './hand-designed.js';

/** A network of the comparison. `spread`: drawn by MACs; `front`: found by search, named in the model card; `hand`: designed by people. */
export interface PlanNet {
  readonly id: string;
  readonly role: 'spread' | 'front' | 'hand';
  readonly name: string;
  readonly space: SearchSpace;
  readonly arch: Arch;
  readonly macs: number;
}

/** One training; each is run once, in any order. */
export interface Part {
  readonly id: string;
  readonly kind: 'alone' | 'finetune';
  readonly net: string;
  readonly seed: number;
}

/** How long each kind of part trains; what is left out is as long as its recipe says. */
export interface PartLengths {
  readonly aloneImages?: number;
  readonly finetuneImages?: number;
  readonly finetuneMinutes?: number;
}

/** Everything that decides what is trained; written before the first training begins. */
export interface Plan extends PartLengths {
  readonly schema: 1;
  readonly supernet: { readonly id: string; readonly sha256: string };
  readonly seed: number;
  readonly nets: readonly PlanNet[];
  readonly parts: readonly Part[];
}

const PLAN_FILE = 'plan.json';
/** Random architectures that the quantiles of MACs are taken from. */
const SAMPLES = 4000;

/**
 * One random architecture from each of `count` equal groups of random ones, ordered by MACs: spread over the space, chosen by cost and chance alone.
 * @returns in the order of MACs
 */
export function spreadByMacs(space: SearchSpace, count: number, seed: number): readonly PlanNet[] {
  const rng = makeRng(seed).fork('spread');
  const sampled = Array.from({ length: SAMPLES }, () => canonicalArch(space, sampleArch(space, rng)))
    .map((arch) => ({ arch, macs: archCosts(space, arch).macs }))
    .sort((a, b) => a.macs - b.macs);
  return Array.from({ length: count }, (_, group) => {
    const start = Math.floor((group * SAMPLES) / count);
    const end = Math.floor(((group + 1) * SAMPLES) / count);
    const { arch, macs } = sampled[start + rng.int(end - start)]!;
    return { id: `spread-${group + 1}`, role: 'spread', name: `random, group ${group + 1} by MACs`, space, arch, macs };
  });
}

/** The networks that the bundle's card names: chosen by search on held-out images when the card was written. */
function frontOf({ figures, supernet }: Bundle): readonly PlanNet[] {
  const { accuracy } = figures;
  if (typeof accuracy !== 'object' || accuracy === null) return [];
  const { space } = supernet;
  return Object.entries(accuracy).map(([name, row], index) => {
    const given = typeof row === 'object' && row !== null ? Reflect.get(row, 'arch') : undefined;
    const arch = parseArch(space, given, { where: `bundle.json: figures.accuracy["${name}"].arch` });
    return { id: `front-${index + 1}`, role: 'front', name, space, arch, macs: archCosts(space, arch).macs };
  });
}

/** The front without the extremes of the space: what a device with a limit gets. */
function limited(front: readonly PlanNet[]): readonly PlanNet[] {
  return front.filter(({ name }) => name.includes('at most'));
}

function handDesignedOf({ supernet }: Bundle, targets: readonly number[]): readonly PlanNet[] {
  const { space } = supernet;
  return targets.map((target, index) => {
    const { space: own, arch, macs, widthMultiplier } = mobileNetV3Small(space, target, space.resolutions);
    const name = `MobileNetV3-Small-like, width ${widthMultiplier.toFixed(2)}, ${arch.resolution} pixels`;
    return { id: `hand-${index + 1}`, role: 'hand', name, space: own, arch, macs };
  });
}

export interface PlanOptions extends PartLengths {
  /** Networks that are drawn by MACs, 4 or more for a claim; 8 unless told. */
  readonly count: number;
  /** Seeds of the trainings alone. */
  readonly seeds: readonly number[];
  /** Of the draw. */
  readonly seed: number;
  /** MACs of the hand-designed networks; those of the front under a limit unless told, else of the middle of the drawn ones. */
  readonly handMacs?: readonly number[];
}

/** Makes the list of networks and trainings: a function of the bundle and the options alone. */
export function makePlan(bundle: Bundle, options: PlanOptions): Plan {
  const { count, seeds, seed, handMacs, ...lengths } = options;
  const { space, sha256 } = bundle.supernet;
  const spread = spreadByMacs(space, count, seed);
  const front = frontOf(bundle);
  const found = limited(front).map(({ macs }) => macs);
  const middle = spread[count >> 1]!.macs;
  const hand = handDesignedOf(bundle, handMacs ?? (found.length > 0 ? found : [middle]));
  const alone = seeds.flatMap((of) =>
    [...spread, ...hand].map(({ id }): Part => ({ id: `alone-${id}-seed${of}`, kind: 'alone', net: id, seed: of })),
  );
  const tuned = (found.length > 0 ? limited(front) : spread).map(
    ({ id }): Part => ({ id: `finetune-${id}`, kind: 'finetune', net: id, seed: seeds[0] ?? 1 }),
  );
  return {
    schema: 1,
    supernet: { id: bundle.id, sha256 },
    seed,
    ...lengths,
    nets: [...spread, ...front, ...hand],
    parts: [...tuned, ...alone],
  };
}

/** Writes a plan. @throws BespokeError `conflict` if the folder has another */
export function writePlan(dir: string, plan: Plan): void {
  const text = `${JSON.stringify(plan, undefined, 2)}\n`;
  try {
    writeFileSync(join(dir, PLAN_FILE), text, { flag: 'wx' });
  } catch (cause) {
    if (readFileSync(join(dir, PLAN_FILE), 'utf8') === text) return;
    throw new BespokeError('conflict', `${dir} holds another plan; its results belong to it`, {}, cause);
  }
}

/** Reads the plan of a folder. @throws BespokeError `not-found`, or `conflict` if it was made for another supernet */
export function readPlan(dir: string, bundle: Bundle): Plan {
  let text: string;
  try {
    text = readFileSync(join(dir, PLAN_FILE), 'utf8');
  } catch (cause) {
    throw new BespokeError('not-found', `${dir} has no plan; make one with \`plan\``, {}, cause);
  }
  const plan = JSON.parse(text) as Plan; // writePlan's
  if (plan.supernet.sha256 === bundle.supernet.sha256) return plan;
  throw new BespokeError('conflict', `the plan in ${dir} was made for the weights ${plan.supernet.sha256}`);
}

/** The network of a part, or of an id. */
export function netOf({ nets }: Plan, id: string): PlanNet {
  const net = nets.find((one) => one.id === id);
  if (net === undefined) throw new BespokeError('internal', `the plan has no network "${id}"`);
  return net;
}
