import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { sha256 } from '../common/hash.js';
import { writeDurably } from '../files/durable-write.js';
import { fileFailed } from '../files/file-problem.js';
import { decodeSafetensors, encodeSafetensors } from '../tensor/safetensors.js';
import { type FloatTensor, floats, type Tensor } from '../tensor/tensor.js';

/** File names in a run's folder. */
export const CHECKPOINT_FILE = 'checkpoint.bin';
export const PREVIOUS_CHECKPOINT_FILE = 'checkpoint.previous.bin';
/** A last checkpoint that was found damaged. */
const DAMAGED_CHECKPOINT_FILE = 'checkpoint.damaged.bin';

/** Layout of the file: a safetensors file, then its sha256 as this many lower-case hex characters. */
const TRAILER_BYTES = 64;
const FORMAT = 'bespoke-training-3';

/** What has to be equal for a run to go on exactly where it stopped. */
export interface RunIdentity {
  readonly spaceSha256: string;
  /** Of the one network that is trained and its first weights; `none` in a run of a supernet. */
  readonly netSha256: string;
  /** sha256 of the weights that it started from, where they were given. */
  readonly startSha256?: string;
  /** sha256 over those of the teachers that were given, in their order. */
  readonly teachersSha256?: string;
  /** sha256 of the architectures that were paid attention to, where there were any. */
  readonly frontSha256?: string;
  readonly recipeSha256: string;
  /** Of pixels, labels, normalization and split. */
  readonly dataSha256: string;
  /** The same for people: how many images, how large. */
  readonly images: string;
  /** Operators of the step graphs, as `nchwc16`: others round differently. */
  readonly lowering: string;
  readonly seed: number;
  readonly workers: number;
}

/** A run's whole state. No generator's state is among it: every draw of training is a pure function of the seed and the step. */
export interface Checkpoint {
  readonly identity: RunIdentity;
  /** Steps done. */
  readonly step: number;
  /** Wall-clock spent in training so far, ms. */
  readonly elapsedMs: number;
  readonly weights: Float32Array;
  readonly velocity: Float32Array;
  readonly secondMoment: Float32Array;
  /** Exponential moving average of the weights; empty where the recipe has none. */
  readonly average: Float32Array;
  /** Weights of a frozen teacher; empty where the recipe has none. */
  readonly teacher: Float32Array;
}

/** The flat vectors of a state, by name. */
export const STATE_VECTORS = ['weights', 'velocity', 'secondMoment', 'average', 'teacher'] as const;

/** Encodes a checkpoint with its sha256 at the end. */
function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const tensors = new Map<string, FloatTensor>(
    STATE_VECTORS.map((name) => [name, floats([checkpoint[name].length], checkpoint[name])]),
  );
  const state = { identity: checkpoint.identity, step: checkpoint.step, elapsedMs: checkpoint.elapsedMs };
  const body = encodeSafetensors(tensors, { format: FORMAT, state: JSON.stringify(state) });
  const bytes = new Uint8Array(body.length + TRAILER_BYTES);
  bytes.set(body);
  bytes.set(new TextEncoder().encode(sha256(body)), body.length);
  return bytes;
}

function floatVector(tensors: ReadonlyMap<string, Tensor>, name: string, where: string): Float32Array {
  const data = tensors.get(name)?.data;
  if (data instanceof Float32Array) return data;
  throw new BespokeError('storage-failed', `${where} has no float32 tensor "${name}"`);
}

/**
 * Decodes a checkpoint.
 * @throws BespokeError `storage-failed` if the bytes do not hash to their trailer or are of another format
 */
function decodeCheckpoint(bytes: Uint8Array, where: string): Checkpoint {
  const body = bytes.subarray(0, Math.max(0, bytes.length - TRAILER_BYTES));
  const trailer = new TextDecoder().decode(bytes.subarray(body.length));
  if (body.length === 0 || sha256(body) !== trailer) {
    throw new BespokeError('storage-failed', `${where} is damaged: its content does not have the sha256 at its end`);
  }
  const { tensors, metadata } = decodeSafetensors(body, where);
  if (metadata.format !== FORMAT) {
    throw new BespokeError(
      'storage-failed',
      `${where} has the format ${metadata.format}, this version reads ${FORMAT}; resume it with the version that began it`,
    );
  }
  // The hash says that the bytes are as encodeCheckpoint wrote them, and the format says which encodeCheckpoint.
  const state = JSON.parse(metadata.state ?? '') as Pick<Checkpoint, 'identity' | 'step' | 'elapsedMs'>;
  const vector = (name: (typeof STATE_VECTORS)[number]): Float32Array => floatVector(tensors, name, where);
  return {
    ...state,
    weights: vector('weights'),
    velocity: vector('velocity'),
    secondMoment: vector('secondMoment'),
    average: vector('average'),
    teacher: vector('teacher'),
  };
}

/** Saves a checkpoint; the one before is kept. See {@link writeDurably}. */
export function saveCheckpoint(dir: string, checkpoint: Checkpoint): void {
  writeDurably(dir, CHECKPOINT_FILE, encodeCheckpoint(checkpoint), PREVIOUS_CHECKPOINT_FILE);
}

/**
 * Moves a damaged last checkpoint out of the way: the next save keeps the file of that name as the one before, and the whole one would be lost.
 * @throws BespokeError `storage-failed` if the folder cannot be written
 */
export function setAsideDamaged(dir: string): void {
  try {
    renameSync(join(dir, CHECKPOINT_FILE), join(dir, DAMAGED_CHECKPOINT_FILE));
  } catch (error) {
    throw fileFailed(`the damaged checkpoint in ${dir} could not be renamed`, error);
  }
}

/** A checkpoint that was found, and what was wrong with a newer one that was passed over. */
export interface FoundCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly path: string;
  readonly warnings: readonly string[];
}

/**
 * The newest whole checkpoint of a folder: the last one, or the one before if that is missing or damaged.
 * @returns undefined if the folder holds neither file
 * @throws BespokeError `storage-failed` if there are files but none is whole
 */
export function loadCheckpoint(dir: string): FoundCheckpoint | undefined {
  const warnings: string[] = [];
  for (const name of [CHECKPOINT_FILE, PREVIOUS_CHECKPOINT_FILE]) {
    const path = join(dir, name);
    if (!existsSync(path)) continue;
    try {
      return { checkpoint: decodeCheckpoint(readFileSync(path), path), path, warnings };
    } catch (error) {
      warnings.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (warnings.length === 0) return undefined;
  const advice = 'put back a copy of either, or remove both to begin the run again';
  throw new BespokeError('storage-failed', `${dir} has no whole checkpoint: ${warnings.join('; ')}; ${advice}`);
}
