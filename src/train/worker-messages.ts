import type { Lowering } from '../autodiff/term.js';
import type { Problem } from '../common/errors.js';
import type { Arch, SearchSpace } from '../space/types.js';
import type { TeacherModel } from './frozen-teacher.js';
import type { Recipe } from './recipe.js';
import type { SingleNetSetup } from './single-net.js';
import type { NetReport } from './step-runner.js';
import type { AttendedFront } from './subnet-schedule.js';
import type { TrainingData } from './training-data.js';

/** What a worker thread is started with. The flat vectors lie in shared memory; `gradient` is this worker's own. */
export interface WorkerSetup {
  readonly space: SearchSpace;
  readonly recipe: Recipe;
  readonly lowering: Lowering;
  /** ONNX Runtime's names, in order of preference; the CPU unless told. */
  readonly executionProviders?: readonly string[] | undefined;
  /** Sessions keep arenas of their own, unless told: not needed where the process keeps freed memory (`keepsFreedMemory`). The results are the same. */
  readonly memoryArena: boolean | undefined;
  readonly seed: number;
  readonly worker: number;
  readonly workers: number;
  readonly data: TrainingData;
  readonly weights: Float32Array;
  readonly teacher: Float32Array;
  readonly gradient: Float32Array;
  /** Present: this one network is trained, in place of the space's supernet. */
  readonly net?: SingleNetSetup;
  /** Present: they teach in the phases with a frozen teacher. */
  readonly teachers?: readonly TeacherModel[] | undefined;
  /** Present: what phases with a `frontShare` draw from. */
  readonly front?: AttendedFront | undefined;
}

/** What the main thread asks of a worker, one thing at a time. */
export type WorkerRequest =
  | { readonly kind: 'step'; readonly step: number }
  | { readonly kind: 'validate'; readonly arch: Arch; readonly batch: number }
  | { readonly kind: 'close' };

/** The answer to each request; `failed` ends the run. */
export type WorkerReply =
  | { readonly kind: 'stepped'; readonly nets: readonly NetReport[] }
  | { readonly kind: 'validated'; readonly correct: number; readonly images: number }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly problem: Problem; readonly stack: string };
