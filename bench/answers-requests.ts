import { BespokeError } from '../src/common/errors.js';
import { type Asked, post, type Target } from './timed-request.js';

type Limits = Readonly<Record<string, number>>;

const KINDS = ['maxMacs', 'maxParams', 'maxModelBytes', 'maxPeakMemoryBytes', 'maxLatencyMs'] as const;
/** Far below what any network has. */
const NOTHING: Limits = { maxMacs: 1, maxParams: 1, maxModelBytes: 1, maxPeakMemoryBytes: 1, maxLatencyMs: 1e-6 };
/** Limits just out of reach, and just within it: the hardest to decide. */
const JUST_BELOW = 0.99;
const JUST_ABOVE = 1.001;
/** Limits with room for networks worth having. */
const ROOMY = 4;

const scaled = (kind: string, value: number, factor: number): number =>
  kind === 'maxLatencyMs' ? value * factor : Math.max(1, Math.floor(value * factor));

async function feasibilityOf(target: Target, constraints: Limits) {
  const { status, answer } = await post(target, '/v1/estimates', { constraints });
  if (answer.feasibility == null)
    throw new BespokeError('internal', `an estimate answered with ${status}: ${answer.detail ?? 'no feasibility'}`);
  return answer.feasibility;
}

/** What a server says of its first supernet: where its limits begin. */
export interface Bounds {
  /** The smallest value of each limit, if nothing else is limited. */
  readonly smallest: Limits;
  /** The highest top-1 that a short search finds. */
  readonly top1: number;
}

export async function askBounds(target: Target): Promise<Bounds> {
  const smallest: Record<string, number> = {};
  for (const kind of KINDS) {
    const found = await feasibilityOf(target, { [kind]: NOTHING[kind] ?? 0 });
    smallest[kind] = found.smallestAlone[kind] ?? 0;
  }
  const { closest } = await feasibilityOf(target, { minTop1: 1 });
  return { smallest, top1: closest?.predictedTop1 ?? 1 };
}

const estimate = (label: string, verdict: string, constraints: Limits, search?: object): Asked => ({
  label: `estimate, ${label}`,
  path: '/v1/estimates',
  body: { constraints, ...(search && { search }) },
  status: 200,
  verdict,
});

/** The first pair of limits on costs that can be met alone and not together; of many spaces there is none. */
async function conflictingCosts(target: Target, smallest: Limits): Promise<Limits | undefined> {
  for (const [index, one] of KINDS.entries()) {
    for (const other of KINDS.slice(index + 1)) {
      const pair = Object.fromEntries(
        [one, other].map((kind) => [kind, scaled(kind, smallest[kind] ?? 0, JUST_ABOVE)]),
      );
      if ((await feasibilityOf(target, pair)).verdict === 'infeasible') return pair;
    }
  }
  return undefined;
}

/** The same with a confidence, where the models can promise one: imported ones know nothing of their errors. */
async function confident(target: Target, constraints: Limits): Promise<readonly Asked[]> {
  const asked = estimate('the same at confidence 0.9', 'feasible', constraints, { confidence: 0.9 });
  const { answer } = await post(target, asked.path, asked.body);
  return answer.code === undefined ? [asked] : [];
}

/** Requests for estimates: each kind of limit out of reach, limits that exclude each other, an accuracy out of reach, and what can be met. */
export async function estimates(target: Target, { smallest, top1 }: Bounds): Promise<readonly Asked[]> {
  const of = (kind: string, factor: number): Limits => ({ [kind]: scaled(kind, smallest[kind] ?? 0, factor) });
  const pair = await conflictingCosts(target, smallest);
  const alone = KINDS.flatMap((kind) => [
    estimate(`${kind} far out of reach`, 'infeasible', { [kind]: NOTHING[kind] ?? 0 }),
    estimate(`${kind} just out of reach`, 'infeasible', of(kind, JUST_BELOW)),
  ]);
  const roomy = { ...of('maxMacs', ROOMY), ...of('maxLatencyMs', ROOMY) };
  return [
    ...alone,
    ...(pair === undefined ? [] : [estimate(`${Object.keys(pair).join(' against ')}, met alone`, 'infeasible', pair)]),
    estimate('maxMacs against minTop1, met alone', 'unknown', { ...of('maxMacs', JUST_ABOVE), minTop1: top1 }),
    estimate('minTop1 out of reach', 'unknown', { minTop1: 0.999 }),
    estimate('minTop1 out of reach, limits', 'unknown', { ...roomy, minTop1: 0.999 }),
    estimate('limits and minTop1 met', 'feasible', { ...roomy, minTop1: 0.5 }),
    ...(await confident(target, { ...roomy, minTop1: 0.5 })),
  ];
}

const refusal = (label: string, constraints: Limits): Asked => ({
  label: `POST, ${label}`,
  path: '/v1/specializations',
  body: { constraints },
  status: 422,
  code: 'infeasible-constraints',
});

/** Requests for specializations that are refused at once. */
export function refusals({ smallest }: Bounds): readonly Asked[] {
  const kinds = KINDS.map((kind) =>
    refusal(`${kind} just out of reach`, { [kind]: scaled(kind, smallest[kind] ?? 0, JUST_BELOW) }),
  );
  return [...kinds, refusal('minTop1 out of reach', { minTop1: 0.999 })];
}

const bad = (label: string, body: object | string, code = 'invalid-request', status = 400): Asked => ({
  label: `bad, ${label}`,
  path: '/v1/specializations',
  body,
  status,
  code,
});

/** Bodies that no server should take. */
export function badRequests({ smallest }: Bounds): readonly Asked[] {
  const constraints = { maxMacs: scaled('maxMacs', smallest.maxMacs ?? 0, ROOMY) };
  const searched = (search: object): object => ({ constraints, search });
  return [
    bad('evaluations 0', searched({ evaluations: 0 })),
    bad('evaluations 10^12', searched({ evaluations: 1e12 })),
    bad('evaluations 1.5', searched({ evaluations: 1500.5 })),
    bad('evaluations as a text', searched({ evaluations: '5000' })),
    bad('maxSeconds 0', searched({ maxSeconds: 0 })),
    bad('maxSeconds -1', searched({ maxSeconds: -1 })),
    bad('maxSeconds 10^9', searched({ maxSeconds: 1e9 })),
    bad('confidence 0', searched({ confidence: 0 })),
    bad('confidence 1', searched({ confidence: 1 })),
    bad('confidence 1.5', searched({ confidence: 1.5 })),
    bad('warmStart of an unknown id', searched({ warmStart: ['00000000-0000-4000-8000-000000000000'] })),
    bad('resolutions []', { constraints, resolutions: [] }),
    bad('resolutions [17]', { constraints, resolutions: [17] }),
    bad('minTop1 2', { constraints: { minTop1: 2 } }),
    bad('maxLatencyMs -1', { constraints: { maxLatencyMs: -1 } }),
    bad('maxMacs 0', { constraints: { maxMacs: 0 } }),
    bad('no limit', {}),
    bad('an unknown member', { constraints, evaluations: 5000 }),
    bad('not JSON', '{"constraints":'),
    bad('hardware that does not exist', { constraints, hardwareId: 'pdp-11' }, 'not-found', 404),
    bad('supernet that does not exist', { constraints, supernetId: 'imagenet' }, 'not-found', 404),
    bad(
      'budgets that exclude each other',
      { constraints: { ...constraints, minTop1: 0.999 } },
      'infeasible-constraints',
      422,
    ),
  ];
}
