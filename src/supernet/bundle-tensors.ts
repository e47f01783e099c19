import { BespokeError } from '../common/errors.js';
import type { SearchSpace } from '../space/types.js';
import { expectedTensors, optionalTensors } from './expected-tensors.js';
import type { SupernetTensors } from './types.js';

/** Dims as a text. */
export const shapeText = (dims: readonly number[]): string => `[${dims.join(', ')}]`;

/**
 * Checks that tensors are those of a supernet of this space, complete and of the right shapes.
 * @param shapes dims by name
 * @param where whose tensors they are, for the error's sentence
 * @throws BespokeError `bundle-invalid`, naming the missing, unexpected and mis-shaped tensors
 */
export function assertTensorsOfSpace(
  space: SearchSpace,
  shapes: ReadonlyMap<string, readonly number[]>,
  where: string,
): void {
  const expected = expectedTensors(space);
  const known = new Map([...expected, ...optionalTensors(space)]);
  const missing = [...expected.keys()].filter((key) => !shapes.has(key));
  const unexpected = [...shapes.keys()].filter((key) => !known.has(key));
  const misshaped = [...shapes].flatMap(([key, dims]) => {
    const wanted = known.get(key);
    return wanted === undefined || shapeText(wanted) === shapeText(dims)
      ? []
      : [`${key} is ${shapeText(dims)}, wanted is ${shapeText(wanted)}`];
  });
  const faults = { missing, unexpected, 'mis-shaped': misshaped };
  const words = Object.entries(faults).flatMap(([fault, names]) =>
    names.length === 0 ? [] : `${fault}: ${listed(names)}`,
  );
  if (words.length > 0) {
    throw new BespokeError('bundle-invalid', `${where} does not fit the space "${space.id}"; ${words.join('; ')}`);
  }
}

/** The first few names of a list, and how many there are. */
function listed(names: readonly string[]): string {
  const shown = 10; // more would bury the sentence
  const rest = names.length - shown;
  return names.slice(0, shown).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/** The shapes of tensors, by name. */
export const shapesOf = (tensors: SupernetTensors): ReadonlyMap<string, readonly number[]> =>
  new Map([...tensors].map(([name, { dims }]) => [name, dims]));
