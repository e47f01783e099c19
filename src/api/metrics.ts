import { Gauge, Histogram, Registry } from 'prom-client';
import { STATUSES } from '../specialize/types.js';
import type { ApiDeps } from './ports.js';

export interface Metrics {
  /** Notes an answered request; `route` is the contract's path, so that the number of series is bounded. */
  observe(labels: { method: string; route: string; status: number }, seconds: number): void;
  /** The text that Prometheus reads. A source that does not answer is left out, never an error. */
  text(): Promise<string>;
}

/** Upper bounds in seconds: from a cached row to a wait of a minute. */
const DURATION_BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60];

/** Metrics of one app, with a registry of its own. */
export function makeMetrics({ specializations, queue }: Pick<ApiDeps, 'specializations' | 'queue'>): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const durations = new Histogram({
    name: 'bespoke_http_request_duration_seconds',
    help: 'Time from a request to the end of its answer',
    labelNames: ['method', 'route', 'status'],
    buckets: DURATION_BUCKETS,
    registers,
  });
  const jobs = new Gauge({
    name: 'bespoke_jobs',
    help: 'Specializations by status',
    labelNames: ['status'],
    registers,
  });
  const depth = new Gauge({ name: 'bespoke_queue_depth', help: 'Messages that wait in the queue', registers });
  const resident = new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the API process',
    registers,
  });
  const heap = new Gauge({ name: 'nodejs_heap_used_bytes', help: 'JavaScript heap in use', registers });
  const uptime = new Gauge({ name: 'process_uptime_seconds', help: 'Time since the process started', registers });
  const collect = async (): Promise<void> => {
    const [counts, waiting] = await Promise.allSettled([specializations.countByStatus(), queue.depth()]);
    jobs.reset();
    if (counts.status === 'fulfilled') for (const status of STATUSES) jobs.set({ status }, counts.value[status]);
    depth.set(waiting.status === 'fulfilled' ? waiting.value : Number.NaN); // NaN: not known
    const memory = process.memoryUsage();
    resident.set(memory.rss);
    heap.set(memory.heapUsed);
    uptime.set(process.uptime());
  };
  return {
    observe: ({ method, route, status }, seconds) => durations.observe({ method, route, status }, seconds),
    text: async () => {
      await collect();
      return registry.metrics();
    },
  };
}
