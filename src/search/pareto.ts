/** A point to compare: more score is better, less cost is better. */
export interface ScoredPoint {
  readonly score: number;
  readonly cost: number;
}

/** Whether `a` is at least as good as `b` in both, and better in one. */
export function dominates(a: ScoredPoint, b: ScoredPoint): boolean {
  return a.score >= b.score && a.cost <= b.cost && (a.score > b.score || a.cost < b.cost);
}

/**
 * The points that no other one dominates, by ascending cost (and so ascending score).
 * Of points that tie in both, the first given is kept.
 */
export function paretoFront<T extends ScoredPoint>(points: readonly T[]): T[] {
  const byCost = points
    .map((point, index) => ({ point, index }))
    .sort((a, b) => a.point.cost - b.point.cost || b.point.score - a.point.score || a.index - b.index);
  const front: T[] = [];
  for (const { point } of byCost) {
    const last = front[front.length - 1];
    if (last === undefined || point.score > last.score) front.push(point);
  }
  return front;
}

/**
 * The area that points dominate, up to a reference point of low score and high cost: the usual measure of a front's quality.
 * Points beyond the reference count for nothing.
 * Source: Zitzler and Thiele 1999 (the S metric), in two dimensions
 */
export function hypervolume(points: readonly ScoredPoint[], reference: ScoredPoint): number {
  const inside = points.filter(({ score, cost }) => score > reference.score && cost < reference.cost);
  const front = paretoFront(inside);
  let area = 0;
  front.forEach(({ score, cost }, index) => {
    const nextCost = front[index + 1]?.cost ?? reference.cost;
    area += (nextCost - cost) * (score - reference.score);
  });
  return area;
}
