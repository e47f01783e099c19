/**
 * How glibc should serve training, which allocates and frees hundreds of MiB per step: keep freed memory instead of giving it back to the
 * kernel page by page, in one heap for all threads (a thread's own ends at 64 MiB), and ask for huge pages. All are read before a process starts.
 * Measured: docs/training.md, "Memory".
 */
export const TRAINING_ALLOCATOR = {
  MALLOC_MMAP_THRESHOLD_: String(2 ** 30),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 33),
  MALLOC_TOP_PAD_: String(2 ** 28),
  MALLOC_ARENA_MAX: '1',
  GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
} as const;

/** From so many bytes on, freed memory counts as kept: more than any tensor of a training step that this is meant for. */
const KEPT_FROM = 2 ** 28;

/** Before it, glibc takes no threshold above 32 MiB for what it maps by itself. */
const GLIBC = { major: 2, minor: 35 } as const;

function isRecent(version: string | undefined): boolean {
  const [major = Number.NaN, minor = Number.NaN] = (version ?? '').split('.').map(Number);
  return major > GLIBC.major || (major === GLIBC.major && minor >= GLIBC.minor);
}

/**
 * Whether freed memory stays with the process for what asks next: then the sessions of training need no arenas of their own, each of which would keep the
 * most that its session ever took. Sessions that run in turns take the same memory, which is in the processor's caches and translation tables already.
 * @param env environment that the process was started with
 * @param glibc version of glibc, such as `2.36`; undefined where there is none
 */
export function keepsFreedMemory(
  env: Readonly<Record<string, string | undefined>>,
  glibc: string | undefined,
): boolean {
  const { MALLOC_MMAP_THRESHOLD_: mapped, MALLOC_TRIM_THRESHOLD_: trimmed, MALLOC_ARENA_MAX: arenas } = env;
  return isRecent(glibc) && Number(mapped) >= KEPT_FROM && Number(trimmed) >= KEPT_FROM && Number(arenas) === 1;
}
