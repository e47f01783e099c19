/** Which figure a latency is; `quiet` is the lowest steady one. */
export type LatencyStatistic = 'quiet' | 'mean' | 'p50' | 'p90' | 'p99';
