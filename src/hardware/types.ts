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
  /** Milliseconds per block key (see `blockKey`). */
  readonly table: Readonly<Record<string, number>>;
  /** latency = scale * sum(table) + offsetMs */
  readonly scale: number;
  readonly offsetMs: number;
  /** On networks held out of the fit. */
  readonly holdout: {
    readonly nets: number;
    readonly mapePercent: number;
    readonly p90Percent: number;
    readonly maxPercent: number;
    readonly kendallTau: number;
  };
  /** A few networks with their measured milliseconds: measured again, they tell how fast the machine is now. */
  readonly references?: readonly { readonly arch: Arch; readonly ms: number }[];
  readonly measuredAt: string;
  readonly seconds: number;
}

/** Predicted milliseconds of architectures; pure arithmetic, no measuring. */
export interface LatencyModel {
  readonly profile: LatencyProfile;
  predict(archs: readonly Arch[]): Float64Array;
}
