/**
 * The nearest of some resolutions to one that is not among them: the one below and the one above, where there are.
 * @param known sides in pixels, in any order
 */
export function nearestResolutions(known: readonly number[], resolution: number): readonly number[] {
  const below = known.filter((side) => side < resolution);
  const above = known.filter((side) => side > resolution);
  return [...(below.length > 0 ? [Math.max(...below)] : []), ...(above.length > 0 ? [Math.min(...above)] : [])];
}
