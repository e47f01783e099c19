/**
 * How glibc should serve training, which allocates and frees hundreds of MiB per step: keep freed memory instead of giving it back to the
 * kernel page by page, and ask for huge pages. Both are read before a process starts. Measured: docs/training.md, "Memory".
 */
export const TRAINING_ALLOCATOR = {
  MALLOC_MMAP_THRESHOLD_: String(2 ** 30),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 33),
  MALLOC_TOP_PAD_: String(2 ** 28),
  GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
} as const;

/** From so many bytes on, freed memory counts as kept: what the activations of one training step take, and more. */
const KEPT_FROM = 2 ** 28;

/**
 * Whether freed memory stays with the process for what asks next: then sessions need no arenas of their own, each of which would keep the most that its session
 * ever took. Sessions that run in turns take the same memory, which is in the processor's caches and translation tables already.
 * @param env environment that the process was started with
 */
export function keepsFreedMemory(env: Readonly<Record<string, string | undefined>>): boolean {
  return Number(env.MALLOC_MMAP_THRESHOLD_) >= KEPT_FROM && Number(env.MALLOC_TRIM_THRESHOLD_) >= KEPT_FROM;
}
