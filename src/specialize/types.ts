import type { Problem } from '../common/errors.js';
import type { MeasuredLatency } from '../evaluate/types.js';
import type { HardwareType } from '../hardware/types.js';
import type { Candidate, LatencyStatistic } from '../search/types.js';
import type { Arch, LayerSpec } from '../space/types.js';
import type { ExportOptions } from '../supernet/export-options.js';
import type { InputSpec } from '../tensor/image-set.js';

/** The limits of a request; each absent one is not limited. Units in the names. */
export interface Constraints {
  readonly maxLatencyMs?: number;
  readonly latencyStatistic?: LatencyStatistic;
  readonly maxMacs?: number;
  readonly maxParams?: number;
  readonly maxModelBytes?: number;
  readonly maxPeakMemoryBytes?: number;
  /** Fraction 0..1. */
  readonly minTop1?: number;
}

export const OBJECTIVES = ['accuracy', 'latency', 'macs'] as const;
/** What is made as good as the limits allow: the highest accuracy, the lowest latency, the fewest MACs. */
export type RequestedObjective = (typeof OBJECTIVES)[number];

/** How the search goes about it. */
export interface SearchRequest {
  readonly evaluations: number;
  readonly maxSeconds?: number;
  /**
   * 0.5..1, exclusive: `maxLatencyMs` then limits the upper, `minTop1` the lower one-sided bound of the prediction at this confidence;
   * without it, the predictions themselves.
   */
  readonly confidence?: number;
  /** Succeeded specializations of the same bundle and latency model whose fronts the search begins with, in this order. */
  readonly warmStart?: readonly string[];
}

/** A whole request with every default filled in; what the row keeps and the worker reads. */
export interface SpecializationRequest {
  readonly supernetId: string;
  readonly hardwareId: string;
  readonly constraints: Constraints;
  readonly objective: RequestedObjective;
  readonly resolutions?: readonly number[];
  readonly seed: number;
  readonly search: SearchRequest;
  readonly verify: { readonly latency: 'measured' | 'skip' };
  /** How the model is written; plainly where it is absent. */
  readonly export?: ExportOptions;
  readonly labels: Readonly<Record<string, string>>;
}

export const STATUSES = ['queued', 'running', 'succeeded', 'failed', 'canceled'] as const;
export type Status = (typeof STATUSES)[number];
export const STAGES = ['searching', 'extracting', 'calibrating', 'verifying', 'publishing'] as const;
export type Stage = (typeof STAGES)[number];

/** One thing that was verified, with its limit and its value. `notMeasured` says in `detail` why. */
export interface Check {
  readonly id:
    | 'parity'
    | 'maxLatencyMs'
    | 'maxMacs'
    | 'maxParams'
    | 'maxModelBytes'
    | 'maxPeakMemoryBytes'
    | 'minTop1'
    | 'structure'
    /** Only where the bundle has no calibration images, or no labeled ones: always `notMeasured`. */
    | 'calibration'
    | 'top1';
  readonly outcome: 'passed' | 'failed' | 'notMeasured';
  readonly limit?: number;
  readonly value?: number;
  readonly detail: string;
}

export type { MeasuredLatency };

/** What was measured of the delivered model. Absent: not measured (the checks say why). */
export interface MeasuredFigures {
  readonly measuredTop1?: number;
  /** Images behind `measuredTop1`. */
  readonly top1Images?: number;
  readonly measuredLatency?: MeasuredLatency;
  /** Largest |difference of logits| / largest |logit| against the supernet's own masked forward. */
  readonly parityRelative: number;
  readonly macs: number;
  readonly params: number;
  readonly modelParams: number;
  readonly modelBytes: number;
  readonly peakMemoryBytes: number;
}

/** A point of the search's progress, for plots. */
export interface SearchPoint {
  readonly evaluations: number;
  readonly bestTop1: number;
  readonly frontSize: number;
}

/** Which candidates were tried and why the ones before the delivered one were not. */
export interface RejectedCandidate {
  readonly candidate: Candidate;
  readonly checks: readonly Check[];
}

/** What one limit, loosened a little, would buy, the others as asked. */
export interface Relaxation {
  readonly id: Exclude<keyof Constraints, 'latencyStatistic'>;
  readonly limit: number;
  /** 5 % more, or half a point of top-1 less. */
  readonly relaxedLimit: number;
  /** What the objective improves. */
  readonly figure: 'predictedTop1' | 'predictedLatencyMs' | 'macs';
  /** The best that was found within the limits. */
  readonly from: number;
  /** The best that was found with this limit loosened, by a further search of `evaluations`; absent: unknown. */
  readonly to?: number;
  readonly archId?: string;
  readonly evaluations: number;
  /** Why `to` is unknown, or not all that a whole search would find: time. Absent: neither. */
  readonly why?: string;
}

/** The report of a succeeded specialization: everything about it as JSON; the HTML page is drawn from this alone. */
export interface Report {
  readonly schema: 1;
  /** What nobody must overlook, in sentences: not calibrated, no accuracy measured. Empty in the usual case; absent in reports of older versions. */
  readonly notices?: readonly string[];
  readonly id: string;
  readonly createdAt: string;
  readonly request: SpecializationRequest;
  readonly delivered: Candidate;
  readonly measured: MeasuredFigures;
  readonly checks: readonly Check[];
  readonly rejected: readonly RejectedCandidate[];
  readonly paretoFront: readonly Candidate[];
  /** Share of architectures whose measured figure lies in a candidate's interval; absent in reports of older versions. */
  readonly intervalConfidence?: number;
  readonly searchHistory: readonly SearchPoint[];
  /** True: the time limit ended the search before its evaluations were used. */
  readonly searchCutShort: boolean;
  /** The specializations whose fronts the search began with: of those that the request names, the ones that were still there. */
  readonly warmStart?: readonly string[];
  /** What a little more of each limit would buy; absent in reports of older versions. */
  readonly moreBudget?: readonly Relaxation[];
  /** The specialization whose answer this is; absent where it was searched for. */
  readonly storedAnswerOf?: string;
  readonly layers: readonly (LayerSpec & { readonly latencyMs?: number })[];
  /** How an image becomes the model's input, and what its outputs are called. */
  readonly input: InputSpec & { readonly classNames: readonly string[] };
  readonly artifact: ArtifactInfo;
  readonly supernet: { readonly id: string; readonly sha256: string; readonly spaceId: string };
  readonly hardware: {
    readonly id: string;
    readonly name: string;
    readonly statistic: LatencyStatistic;
    readonly revision: string;
    readonly provenance?: HardwareType['provenance'];
    /** Mean absolute error on networks held out of the model's fit; absent where there were none. */
    readonly errorPercent?: number;
  };
  readonly timings: Readonly<
    Record<'searchSeconds' | 'extractSeconds' | 'calibrateSeconds' | 'verifySeconds' | 'totalSeconds', number>
  >;
  readonly versions: Readonly<Record<'bespoke' | 'onnxruntime' | 'node', string>>;
}

export interface ArtifactInfo {
  readonly sha256: string;
  readonly bytes: number;
  readonly opset: number;
  readonly exporterRevision: number;
}

/** The front of a search under way, thinned for people to watch. */
export interface SearchFront {
  readonly evaluations: number;
  /** The cost that it runs along, ascending. */
  readonly axis: 'macs' | 'maxLatencyMs';
  readonly points: readonly Pick<Candidate, 'predictedTop1' | 'predictedLatencyMs' | 'macs'>[];
}

/** What the worker tells while it runs. `fraction` 0..1 over the whole job. */
export interface JobProgress {
  readonly stage: Stage;
  readonly fraction: number;
  readonly note?: string;
  /** The front so far, now and then. */
  readonly front?: SearchFront;
}

/** What a finished job hands to the store. */
export type Outcome =
  | { readonly status: 'succeeded'; readonly report: Report; readonly model: Uint8Array }
  | { readonly status: 'failed'; readonly problem: Problem; readonly report?: undefined };

/** A stored specialization as the API shows it; times RFC 3339 UTC. */
export interface SpecializationRow {
  readonly id: string;
  readonly status: Status;
  readonly stage: Stage | null;
  /** 0..1 */
  readonly progress: number;
  readonly attempt: number;
  readonly request: SpecializationRequest;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly problem: Problem | null;
  /** Present when succeeded. */
  readonly result: SpecializationResult | null;
  readonly cancelRequested: boolean;
  /** The specialization whose stored answer this one was given, at once or when its turn came; null where it was searched for. */
  readonly storedAnswerOf: string | null;
}

/** The result figures kept in columns and shown by GET; the whole report is fetched on its own. */
export interface SpecializationResult {
  readonly arch: Arch;
  readonly archId: string;
  readonly predicted: Candidate;
  readonly measured: MeasuredFigures;
  readonly checks: readonly Check[];
  readonly artifact: ArtifactInfo;
  /** As in the report. */
  readonly searchCutShort?: boolean;
  readonly moreBudget?: readonly Relaxation[];
}
