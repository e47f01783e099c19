import { invariant } from './invariant.js';

/** Four 32-bit words of a generator's state; JSON, so that a checkpoint can hold it. */
export type RngState = readonly [number, number, number, number];

/**
 * A seeded random generator (xoshiro128**, Blackman & Vigna 2018), split by label.
 * It is stateful on purpose: whoever holds it consumes it. Pass `fork(label)` to a callee that must not disturb the caller's stream.
 */
export interface Rng {
  /** Uniform in [0, 1), 32 random bits. */
  next(): number;
  /** Uniform integer in 0..bound-1; `bound` 1..2^32. */
  int(bound: number): number;
  /** Uniform choice from a non-empty list. */
  pick<T>(items: readonly T[]): T;
  /** Standard normal (Box-Muller). */
  normal(): number;
  /** True with probability `p`. */
  chance(p: number): boolean;
  /** An independent generator that depends on this one's seed state now and on `label`; this one does not advance. */
  fork(label: string | number): Rng;
  /** Snapshot of the state, for exact resume with {@link rngFromState}. */
  state(): RngState;
}

/** SplitMix32-style mixing of a 32-bit word; used to spread seeds and labels over the state. */
function mix(word: number): number {
  let z = (word + 0x9e3779b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}

function hashLabel(label: string): number {
  let h = 0x811c9dc5; // FNV-1a offset basis
  for (let i = 0; i < label.length; i++) h = Math.imul(h ^ label.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** Makes a generator from an integer seed (any safe integer; both 32-bit halves count). */
export function makeRng(seed: number): Rng {
  invariant(Number.isSafeInteger(seed), () => `seed must be a safe integer, got ${seed}`);
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32) >>> 0;
  const a = mix(low);
  const b = mix(a ^ high);
  const c = mix(b + 1);
  return rngFromState([a, b, c, mix(c + 1) || 1]);
}

/** Makes a generator that continues where a snapshot was taken. */
function rngFromState(start: RngState): Rng {
  let [s0, s1, s2, s3] = start;
  const nextWord = (): number => {
    const product = Math.imul(s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const t = s1 << 9;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= t;
    s3 = (s3 << 11) | (s3 >>> 21);
    return result;
  };
  const next = (): number => nextWord() / 2 ** 32;
  const int = (bound: number): number => Math.floor(next() * bound);
  return {
    next,
    int,
    pick: <T>(items: readonly T[]): T => {
      invariant(items.length > 0, () => 'pick from an empty list');
      return items[int(items.length)] as T; // index is in range by construction
    },
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    chance: (p) => next() < p,
    fork: (label) => {
      const h = hashLabel(String(label));
      const a = mix(s0 ^ h);
      const b = mix(s1 ^ a);
      const c = mix(s2 ^ b);
      return rngFromState([a, b, c, mix(s3 ^ c) || 1]);
    },
    state: () => [s0 >>> 0, s1 >>> 0, s2 >>> 0, s3 >>> 0],
  };
}

/** Fisher-Yates shuffle into a new array. */
export function shuffled<T>(items: readonly T[], rng: Rng): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = rng.int(i + 1);
    const held = out[i] as T; // i and j are in range by the loop bounds
    out[i] = out[j] as T;
    out[j] = held;
  }
  return out;
}
