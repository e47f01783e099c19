import { makeRng, type Rng, shuffled } from '../../common/rng.js';
import { archId, maxArch, minArch } from '../../space/arch.js';
import { archCosts } from '../../space/costs.js';
import { sampleArch } from '../../space/sample.js';
import type { Arch, ArchId, SearchSpace } from '../../space/types.js';

export interface ListedArch {
  readonly archId: ArchId;
  readonly arch: Arch;
}

/** Bins of equal width in the logarithm of MACs that the second half is spread over: budgets are asked for over all magnitudes. */
const MAC_BINS = 24;
/** Random networks drawn for each one that is chosen from them. */
const POOL_FACTOR = 6;

/** Draws random networks that are not in `known` yet and adds them to it. Bounded: a tiny space gives fewer. */
function drawNew(space: SearchSpace, count: number, known: Set<ArchId>, rng: Rng): ListedArch[] {
  const drawn: ListedArch[] = [];
  for (let tries = 0; drawn.length < count && tries < 20 * count + 100; tries++) {
    const arch = sampleArch(space, rng);
    const id = archId(space, arch);
    if (known.has(id)) continue;
    known.add(id);
    drawn.push({ archId: id, arch });
  }
  return drawn;
}

/** Chooses networks so that every magnitude of MACs is met about equally often: one from each bin in turn. */
function spreadOverMacs(space: SearchSpace, pool: readonly ListedArch[], count: number): ListedArch[] {
  const macs = pool.map(({ arch }) => Math.log(archCosts(space, arch).macs));
  const least = Math.min(...macs);
  const width = (Math.max(...macs) - least) / MAC_BINS || 1;
  const bins: ListedArch[][] = Array.from({ length: MAC_BINS }, () => []);
  pool.forEach((listed, i) => {
    bins[Math.min(MAC_BINS - 1, Math.floor((macs[i]! - least) / width))]!.push(listed); // the bin is in range by min
  });
  const chosen: ListedArch[] = [];
  while (chosen.length < Math.min(count, pool.length)) {
    for (const bin of bins) {
      const next = bin.pop();
      if (next !== undefined && chosen.length < count) chosen.push(next);
    }
  }
  return chosen;
}

/**
 * The architectures to label: the largest and the smallest, half of the rest as the space is sampled, half spread over MACs;
 * all different, in random order after the first two. Equal arguments give equal lists.
 * @param count at least 2; fewer are returned where the space has fewer
 */
export function listArchs(space: SearchSpace, count: number, seed: number): ListedArch[] {
  const rng = makeRng(seed).fork('labels');
  const ends = [maxArch(space), minArch(space)].map((arch) => ({ archId: archId(space, arch), arch }));
  const known = new Set(ends.map((end) => end.archId));
  const half = (count - ends.length) >> 1;
  const uniform = drawNew(space, half, known, rng.fork('uniform'));
  const wanted = count - ends.length - uniform.length;
  const pool = drawNew(space, POOL_FACTOR * wanted, known, rng.fork('pool'));
  return [...ends, ...shuffled([...uniform, ...spreadOverMacs(space, pool, wanted)], rng)].slice(0, count);
}
