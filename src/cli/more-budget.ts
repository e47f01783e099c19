import type { Specialization } from '../client/client.js';
import type { components } from '../generated/openapi.js';
import { boundsLines } from './bounds.js';
import { formatCount, formatMs, formatPercent } from './format.js';

type Relaxation = components['schemas']['Relaxation'];

const FIGURES: Readonly<Record<Relaxation['figure'], readonly [string, (value: number) => string]>> = {
  predictedTop1: ['predicted top-1', formatPercent],
  predictedLatencyMs: ['predicted latency', formatMs],
  macs: ['MACs', formatCount],
};

function limitText(id: Relaxation['id'], value: number): string {
  if (id === 'minTop1') return formatPercent(value);
  return id === 'maxLatencyMs' ? formatMs(value) : formatCount(value);
}

/** One relaxed limit as a line for people. */
function line({ id, relaxedLimit, figure, from, to, why }: Relaxation): string {
  const [name, format] = FIGURES[figure];
  const asked = `${id} ${limitText(id, relaxedLimit)}`;
  if (to === undefined) return `${asked}: unknown, ${why ?? 'not searched for'}`;
  return to === from
    ? `${asked}: nothing better was found`
    : `${asked}: ${name} ${format(to)} instead of ${format(from)}`;
}

/** What is to be said of an answer beside its figures: the bounds that limits were held against, that it is a stored one, that it was cut short, what a little more would buy. */
export function remarksOf({ request, storedAnswerOf, result }: Specialization): string[] {
  const remarks = result == null ? [] : boundsLines(request.search.confidence, request.constraints, result.predicted);
  if (typeof storedAnswerOf === 'string') remarks.push(`stored answer of ${storedAnswerOf}; --fresh searches again`);
  if (result?.searchCutShort === true) remarks.push('the time limit ended the search before its evaluations were used');
  const more = result?.moreBudget ?? [];
  if (more.length > 0) remarks.push('a little more of one limit would buy', ...more.map((each) => `  ${line(each)}`));
  return remarks;
}
