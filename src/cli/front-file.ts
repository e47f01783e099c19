import { BespokeError } from '../common/errors.js';
import { parseArch } from '../space/reference-spelling.js';
import type { Arch, SearchSpace } from '../space/types.js';
import type { Recipe } from '../train/recipe.js';
import { type AttendedFront, attendedFront } from '../train/subnet-schedule.js';
import { memberOf, naming, readJson } from './arguments.js';

/** The architectures of one file: a list of them or of points that have one, alone or as the `paretoFront` of a search or a report. */
async function archsOf(path: string, space: SearchSpace): Promise<readonly Arch[]> {
  const read = await readJson(path);
  const list = memberOf(read, 'paretoFront') ?? read;
  if (!Array.isArray(list) || list.length === 0) {
    throw new BespokeError(
      'invalid-request',
      `--front ${path}: a list of architectures, or what a search printed with its "paretoFront", is wanted`,
    );
  }
  return list.map((point: unknown, i) =>
    naming(`--front ${path}[${i}]`, () => parseArch(space, memberOf(point, 'arch') ?? point)),
  );
}

/**
 * Reads the architectures that a run pays attention to.
 * @returns undefined if no file is named
 * @throws BespokeError `invalid-request` for a file that has none, for a front without a phase that draws from it and the other way round,
 * `arch-out-of-space` for an architecture of another space
 */
export async function readFront(
  paths: readonly string[],
  space: SearchSpace,
  recipe: Recipe,
): Promise<AttendedFront | undefined> {
  const phase = recipe.phases.findIndex(({ frontShare = 0 }) => frontShare > 0);
  if (phase >= 0 === paths.length > 0) {
    return paths.length === 0
      ? undefined
      : attendedFront(space, (await Promise.all(paths.map((path) => archsOf(path, space)))).flat());
  }
  const reason =
    phase >= 0
      ? `recipe "${recipe.name}": phases[${phase}] has a frontShare and draws from a front; name one with --front`
      : `--front: no phase of recipe "${recipe.name}" has a frontShare, so that nothing would be drawn from it`;
  throw new BespokeError('invalid-request', reason);
}
