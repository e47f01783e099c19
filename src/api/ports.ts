import type { Logger } from 'pino';
import type { Problem } from '../common/errors.js';
import type { ArtifactStore, SpecializationStore } from '../specialize/ports.js';
import type { Constraints, Report, SpecializationRequest, SpecializationResult } from '../specialize/types.js';

export type Arch = SpecializationResult['arch'];
export type Candidate = SpecializationResult['predicted'];
export type LatencyStatistic = NonNullable<Constraints['latencyStatistic']>;

/** A supernet that is served. */
export interface SupernetInfo {
  readonly id: string;
  readonly title: string;
  /** sha256 of the weights. */
  readonly sha256: string;
  /** sha256 over the names and hashes of the bundle's files: weights, images and predictor. */
  readonly bundleSha256: string;
  readonly spaceId: string;
  /** The search space as data, as in space.json. */
  readonly space: object;
  /** Exact number of sub-networks, decimal: it may exceed 2^53. */
  readonly subnetCount: string;
  /** Searchable resolutions, pixels: space and predictor both know them. */
  readonly resolutions: readonly number[];
  /** How an image becomes the input, as written into the delivered models. */
  readonly input: object;
  readonly classNames: readonly string[];
  readonly calibrationImages: number;
  readonly verificationImages: number;
  /** Without an accuracy predictor nothing can be searched for; its own figures and `extract` are all there is. */
  readonly hasPredictor: boolean;
  /** Figures of the model card: accuracies, predictor quality. JSON. */
  readonly figures: Readonly<Record<string, unknown>>;
}

/** A latency model of a hardware type for one search space, with its error on networks held out of the fit. */
export interface LatencyModelInfo {
  readonly spaceId: string;
  /** What `latencyStatistic` may be. */
  readonly statistics: readonly LatencyStatistic[];
  readonly method: string;
  readonly revision: string;
  readonly resolutions: readonly number[];
  /** Absent where others measured it. */
  readonly measuredAt?: string;
  /** The imported files. */
  readonly sources?: readonly { readonly file: string; readonly sha256: string; readonly resolution: number }[];
  /** Absent where no whole network was measured. */
  readonly holdout?: {
    readonly nets: number;
    readonly mapePercent: number;
    readonly p90Percent: number;
    readonly maxPercent: number;
    readonly kendallTau: number;
  };
}

/** A hardware type and what is known of it. */
export interface HardwareInfo {
  readonly id: string;
  readonly name: string;
  readonly device: string;
  readonly runtime: string;
  readonly precision: 'fp32';
  readonly threads: number;
  readonly batch: number;
  readonly provenance: 'measured' | 'table' | 'fitted' | 'coarse';
  /** True where this machine is that hardware: latency can be measured, not only predicted. */
  readonly isHere: boolean;
  readonly latencyModels: readonly LatencyModelInfo[];
}

/** Which figures are asked for; ids are known ones, defaults are filled, `archs` and `constraints` may be empty (not both). */
export interface EstimateRequest {
  readonly supernetId: string;
  readonly hardwareId: string;
  readonly archs: readonly Arch[];
  readonly constraints: Constraints;
  readonly resolutions?: readonly number[];
  /** As `search.confidence` of a specialization. */
  readonly confidence?: number;
}

/** An architecture with its figures; its accuracy is not predicted where the supernet has no predictor. */
export type EstimatedArch = Omit<Candidate, 'predictedTop1'> & Partial<Pick<Candidate, 'predictedTop1'>>;

/** Whether limits can be met. */
export interface FeasibilityInfo {
  /** `feasible` with a witness, `infeasible` with a proof; `unknown`: neither was found, a search might tell. */
  readonly verdict: 'feasible' | 'infeasible' | 'unknown';
  readonly binding: readonly string[];
  /** Per limit the nearest value that can be met, the others as asked; absent where none was found. */
  readonly nearestFeasible: Readonly<Record<string, number>>;
  /** Per limit on a cost its smallest value if nothing else were limited. */
  readonly smallestAlone: Readonly<Record<string, number>>;
  readonly witness?: EstimatedArch;
  /** The architecture found that exceeds the limits least. */
  readonly closest?: EstimatedArch;
  /** Per resolution: every network has a sum of weight * cost / limit of at least 1 + excess; weights add up to 1. */
  readonly proof?: readonly {
    readonly resolution: number;
    readonly weights: Readonly<Record<string, number>>;
    readonly excess: number;
  }[];
}

/** Predicted figures, in the order of `archs`; `feasibility` only when constraints were given. */
export interface EstimateResult {
  readonly candidates: readonly Candidate[];
  readonly feasibility?: FeasibilityInfo;
}

/** A supernet that cannot be served, and why. */
export interface RefusedSupernet {
  readonly id: string;
  readonly problem: Problem;
}

/** What can be specialized and for what, and figures without a job. */
export interface Catalog {
  supernets(): readonly SupernetInfo[];
  /** Bundles that were refused, at the start or when they were first used, with the reason. */
  refused(): readonly RefusedSupernet[];
  hardware(): readonly HardwareInfo[];
  /** Throws `arch-out-of-space`. Numeric work runs off the event loop. */
  estimate(request: EstimateRequest, signal: AbortSignal): Promise<EstimateResult>;
  /** The `infeasible-constraints` problem where exact bounds prove that nothing fits; undefined otherwise. */
  checkFeasible(request: SpecializationRequest): Promise<Problem | undefined>;
}

/** Pages and plots drawn from a report alone; they need no script and nothing from another host. */
export interface Pages {
  reportHtml(report: Report): Promise<string>;
  frontSvg(report: Report): Promise<string>;
}

/** The part of the queue that the API uses. */
export interface JobQueue {
  enqueue(message: { readonly kind: 'specialize'; readonly id: string }): Promise<void>;
  depth(): Promise<number>;
  cancel(id: string): Promise<void>;
  isReady(): Promise<boolean>;
}

export interface ApiSettings {
  readonly version: string;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** True while the database answers. */
  readonly isReady: () => Promise<boolean>;
  /** How often a waiting request looks at its row; 250 ms unless given. */
  readonly pollMs?: number;
  /** How often a silent event stream gets a comment; 15,000 ms unless given. */
  readonly heartbeatMs?: number;
}

/** Everything the API stands on. */
export interface ApiDeps {
  readonly specializations: SpecializationStore;
  readonly artifacts: ArtifactStore;
  readonly queue: JobQueue;
  readonly catalog: Catalog;
  readonly settings: ApiSettings;
  readonly pages: Pages;
}
