import type { LatencyStatistic } from '../search/types.js';
import type { Arch } from '../space/types.js';

/** (device, runtime, precision, threads, batch): what a latency model is valid for. */
export interface HardwareType {
  readonly id: string;
  readonly name: string;
  readonly device: string;
  readonly runtime: string;
  readonly precision: 'fp32';
  readonly threads: number;
  readonly batch: number;
  readonly provenance: 'measured' | 'table' | 'fitted' | 'coarse';
  /** Of measured types: what must be equal for a measurement here to count. */
  readonly fingerprint?: Readonly<Record<string, string>>;
}

/** Errors of a latency model on networks that its fit has not seen, in percent of the measured value. */
export interface HoldoutErrors {
  readonly nets: number;
  readonly mapePercent: number;
  readonly p90Percent: number;
  readonly maxPercent: number;
  readonly kendallTau: number;
}

/** An imported file. */
export interface ProfileSource {
  readonly file: string;
  readonly sha256: string;
  readonly resolution: number;
}

/** A latency model of one hardware type for one search space, as kept on disk (profile.json). */
export interface LatencyProfile {
  readonly schema: 1;
  readonly hardware: HardwareType;
  readonly spaceId: string;
  readonly statistic: LatencyStatistic;
  readonly method: string;
  /** sha256 of the profile's figures: names the model's revision. */
  readonly revision: string;
  readonly resolutions: readonly number[];
  /**
   * Milliseconds per block key (see `blockKey`). Where the same block has another time at another resolution, as in tables that were
   * measured one by one, per `tableKey`, which comes first.
   */
  readonly table: Readonly<Record<string, number>>;
  /** latency = scale * sum(table) + offsetMs */
  readonly scale: number;
  readonly offsetMs: number;
  /** On networks held out of the fit; absent where no whole network was measured, as for imported tables. */
  readonly holdout?: HoldoutErrors;
  /** (measured - predicted) / predicted of the same networks, ascending: what intervals and upper bounds are made of. */
  readonly residuals?: readonly number[];
  /** A few networks with their measured milliseconds: measured again, they tell how fast the machine is now. */
  readonly references?: readonly { readonly arch: Arch; readonly ms: number }[];
  /** The files that were imported, of type `table` alone. */
  readonly sources?: readonly ProfileSource[];
  /** When and how long it was measured; absent where others measured it and do not say. */
  readonly measuredAt?: string;
  readonly seconds?: number;
}

/** A profile that was measured here. */
export type MeasuredProfile = LatencyProfile & Required<Pick<LatencyProfile, 'holdout' | 'measuredAt' | 'seconds'>>;

/** Predicted milliseconds of architectures; pure arithmetic, no measuring. */
export interface LatencyModel {
  readonly profile: LatencyProfile;
  predict(archs: readonly Arch[]): Float64Array;
}
