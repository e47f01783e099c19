import { makeRng, type Rng } from '../common/rng.js';
import { deepest } from './block-parts.js';
import type { AdditiveTerms } from './exact.js';
import { endOfActive, type Genetics, type Genome, randomGenome } from './genome.js';

/** Scores genomes, in order; each counts as an evaluation. */
export type AskScores = (genomes: readonly Genome[]) => Promise<Float32Array>;

/** Squares of two changes that a sum gives away: most objectives that are none are told by the first. */
const SQUARES = 4;
/** Random genomes that the terms are checked on before they are believed, at least. */
const CHECKED = 64;
/** Rounding of a float32 score, relative; and how many of them a sum of differences may hold per block. */
const FLOAT32 = 2 ** -24;
const ROUNDINGS_PER_BLOCK = 8;

/** What rounding may make of a sum of terms that were found as differences of float32 scores. */
function toleranceOf({ slots }: Genetics, scores: Float32Array): number {
  const largest = scores.reduce((most, score) => Math.max(most, Math.abs(score)), 0);
  return FLOAT32 * largest * ROUNDINGS_PER_BLOCK * slots;
}

/** A random genome, and with the first blocks of two stages changed: one, the other, both. */
function squareOf(genetics: Genetics, rng: Rng): Genome[] {
  const { offsets, choices } = genetics;
  const stages = offsets.length - 1;
  const stage = rng.int(stages);
  const slots = [offsets[stage]!, offsets[(stage + 1 + rng.int(stages - 1)) % stages]!] as const; // always active
  const genome = randomGenome(genetics, rng);
  const [one, other] = slots.map((slot) => (genome[slot]! + 1 + rng.int(choices.count - 1)) % choices.count);
  return [
    genome,
    genome.with(slots[0], one!),
    genome.with(slots[1], other!),
    genome.with(slots[0], one!).with(slots[1], other!),
  ];
}

/** Whether changes of blocks of different stages add up, as far as a few say. */
async function looksAdditive(genetics: Genetics, ask: AskScores): Promise<boolean> {
  if (genetics.offsets.length < 3 || genetics.choices.count < 2) return true;
  const rng = makeRng(genetics.slots); // any seed: the check must only be the same each time
  const scores = await ask(Array.from({ length: SQUARES }, () => squareOf(genetics, rng)).flat());
  const tolerance = toleranceOf(genetics, scores);
  return Array.from({ length: SQUARES }, (_, i) => scores.subarray(4 * i, 4 * i + 4)).every(
    ([none, one, other, both]) => Math.abs(none! + both! - one! - other!) <= tolerance,
  );
}

/** A change of the deepest network of smallest choices at the first resolution, and where what it changes is written. */
interface Probe {
  readonly genome: Genome;
  readonly write: (score: number) => void;
}

/** Terms that are being found. What is not written adds nothing. */
interface Tables {
  base: number;
  readonly resolutions: Float64Array;
  /** Per stage, per depth gene's value. */
  readonly depths: readonly Float64Array[];
  /** `[slot, choice]`, between neighbors of choice 0. */
  readonly units: Float64Array;
  /** `[slot, choice before, choice]`, beside what each changes alone. */
  readonly pairs: Float64Array;
  /** `[slot, choice]`, where the slot is the last active one and has slots after it in its stage. */
  readonly lasts: Float64Array;
}

function emptyTables({ slots, depths, resolutions, choices: { count } }: Genetics): Tables {
  return {
    base: 0,
    resolutions: new Float64Array(resolutions.length),
    depths: depths.map((list) => new Float64Array(list.length)),
    units: new Float64Array(slots * count),
    pairs: new Float64Array(slots * count * count),
    lasts: new Float64Array(slots * count),
  };
}

/** Changes of one thing: a block, a depth, the resolution. */
function singleProbes(genetics: Genetics, tables: Tables): Probe[] {
  const { slots, length, resolutions, depths, choices } = genetics;
  const base = deepest(genetics, 0);
  const probes: Probe[] = [];
  for (let slot = 0; slot < slots; slot++) {
    for (let choice = 1; choice < choices.count; choice++) {
      const write = (score: number): void => {
        tables.units[slot * choices.count + choice] = score - tables.base;
      };
      probes.push({ genome: base.with(slot, choice), write });
    }
  }
  depths.forEach((list, stage) => {
    for (let value = 0; value + 1 < list.length; value++) {
      const write = (score: number): void => {
        tables.depths[stage]![value] = score - tables.base;
      };
      probes.push({ genome: base.with(slots + stage, value), write });
    }
  });
  for (let index = 1; index < resolutions.length; index++) {
    const write = (score: number): void => {
      tables.resolutions[index] = score - tables.base;
    };
    probes.push({ genome: base.with(length - 1, index), write });
  }
  return probes;
}

/** Changes of two things at once: neighboring blocks, and a depth with its last block. What they change alone must be written already. */
function pairProbes(genetics: Genetics, tables: Tables): Probe[] {
  const { slots, depths, offsets, choices } = genetics;
  const { count } = choices;
  const { units } = tables;
  const base = deepest(genetics, 0);
  const probes: Probe[] = [];
  for (let stage = 0; stage + 1 < offsets.length; stage++) {
    for (let slot = offsets[stage]! + 1; slot < offsets[stage + 1]!; slot++) {
      for (let before = 1; before < count; before++) {
        for (let choice = 1; choice < count; choice++) {
          const alone = units[(slot - 1) * count + before]! + units[slot * count + choice]!;
          const write = (score: number): void => {
            tables.pairs[(slot * count + before) * count + choice] = score - tables.base - alone;
          };
          probes.push({ genome: base.with(slot - 1, before).with(slot, choice), write });
        }
      }
    }
    for (let value = 0; value + 1 < depths[stage]!.length; value++) {
      const slot = offsets[stage]! + depths[stage]![value]! - 1;
      for (let choice = 1; choice < count; choice++) {
        const alone = tables.depths[stage]![value]! + units[slot * count + choice]!;
        const write = (score: number): void => {
          tables.lasts[slot * count + choice] = score - tables.base - alone;
        };
        probes.push({ genome: base.with(slots + stage, value).with(slot, choice), write });
      }
    }
  }
  return probes;
}

/** A genome's score as a sum of terms. */
function sumOf(genetics: Genetics, terms: AdditiveTerms, genome: Genome): number {
  const { slots, offsets, length } = genetics;
  const resolution = genome[length - 1]!;
  let sum = terms.resolution(resolution);
  for (let stage = 0; stage + 1 < offsets.length; stage++) {
    const end = endOfActive(genetics, genome, stage);
    sum += terms.depth(stage, genome[slots + stage]!, resolution);
    for (let slot = offsets[stage]!; slot < end; slot++) {
      sum += terms.unit(slot, genome[slot]!, resolution);
      if (slot > offsets[stage]!) sum += terms.pair?.(slot, genome[slot - 1]!, genome[slot]!) ?? 0;
    }
    sum += terms.last?.(end - 1, genome[end - 1]!) ?? 0;
  }
  return sum;
}

function termsOf({ choices: { count }, offsets }: Genetics, tables: Tables): AdditiveTerms {
  const { base, resolutions, depths, units, pairs, lasts } = tables;
  const isStagesLast = new Set(offsets.map((offset) => offset - 1));
  return {
    resolution: (index) => base + resolutions[index]!,
    depth: (stage, index) => depths[stage]![index]!,
    unit: (slot, choice) => units[slot * count + choice]!,
    pair: (slot, before, choice) => pairs[(slot * count + before) * count + choice]!,
    last: (slot, choice) => (isStagesLast.has(slot) ? 0 : lasts[slot * count + choice]!),
  };
}

async function probe(probes: readonly Probe[], ask: AskScores): Promise<void> {
  const scores = await ask(probes.map(({ genome }) => genome));
  for (const [i, { write }] of probes.entries()) write(scores[i]!);
}

/** How many architectures {@link takeObjectiveApart} scores at most, with as few checks as it makes. */
export function probesOfObjective(genetics: Genetics): number {
  const tables = emptyTables(genetics);
  const asked = [singleProbes(genetics, tables), pairProbes(genetics, tables)].flat().length;
  return 4 * SQUARES + 1 + asked + CHECKED;
}

/**
 * Takes an objective apart by asking it, where it is a sum over blocks, neighboring blocks of a stage, depths and resolutions; what the terms say is
 * checked on random architectures. An objective that is none costs a few evaluations as a rule. What so few choices do together that no random
 * architecture has them is not seen.
 * @param checks random architectures, at least 64
 * @returns undefined where it does not add up, to float32's rounding, or where elastic widths couple the blocks
 */
export async function takeObjectiveApart(
  genetics: Genetics,
  ask: AskScores,
  checks = CHECKED,
): Promise<AdditiveTerms | undefined> {
  if (genetics.widths > 0 || genetics.stemDepths > 0) return undefined;
  if (!(await looksAdditive(genetics, ask))) return undefined;
  const tables = emptyTables(genetics);
  tables.base = (await ask([deepest(genetics, 0)]))[0]!;
  await probe(singleProbes(genetics, tables), ask);
  await probe(pairProbes(genetics, tables), ask);
  const terms = termsOf(genetics, tables);
  const rng = makeRng(genetics.slots).fork('checked');
  const checked = Array.from({ length: Math.max(CHECKED, checks) }, () => randomGenome(genetics, rng));
  const scores = await ask(checked);
  const tolerance = toleranceOf(genetics, scores);
  const addsUp = checked.every((genome, i) => Math.abs(sumOf(genetics, terms, genome) - scores[i]!) <= tolerance);
  return addsUp ? terms : undefined;
}
