import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { canonicalJson, type Sha256, sha256 } from '../common/hash.js';
import { parseSpace } from '../space/parse-space.js';
import type { SearchSpace } from '../space/types.js';
import { idxDims, MAX_IDX_HEADER } from '../tensor/idx.js';
import { safetensorsHeaderEnd, safetensorsShapes } from '../tensor/safetensors.js';
import { type BundleCard, parseBundleCard, parseJson } from './bundle-card.js';
import { BUNDLE_FILES, invalid, parsed, readBytes } from './bundle-files.js';
import { assertTensorsOfSpace } from './bundle-tensors.js';
import type { InputSpec } from './types.js';

/** What a bundle says of itself, without its weights and images in memory. */
export interface BundleFacts {
  readonly dir: string;
  readonly id: string;
  readonly title: string;
  readonly space: SearchSpace;
  readonly weightsSha256: Sha256;
  /** Over the names and hashes of all its files. */
  readonly bundleSha256: Sha256;
  readonly input: InputSpec;
  readonly classNames: readonly string[];
  readonly calibrationImages: number;
  readonly verificationImages: number;
  /** Every file that the card lists. */
  readonly files: readonly string[];
  /** Of all files that the card lists: about what the bundle takes in memory. */
  readonly bytes: number;
  readonly figures: Readonly<Record<string, unknown>>;
}

/** The first 8 bytes of a safetensors file say how long its header is. */
const LENGTH_BYTES = 8;

/** Looks at a listed file without reading it whole. @throws BespokeError `bundle-invalid` if it is not there, or what `look` refuses */
async function peek<T>(
  dir: string,
  name: string,
  look: (file: FileHandle, fileBytes: number) => Promise<T>,
): Promise<{ readonly bytes: number; readonly seen: T }> {
  let file: FileHandle | undefined;
  try {
    file = await open(join(dir, name));
    const { size } = await file.stat();
    return { bytes: size, seen: await look(file, size) };
  } catch (error) {
    if (error instanceof BespokeError) return invalid(dir, error.message, error);
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    return invalid(dir, `its file ${name} cannot be read (${reason})`, error);
  } finally {
    await file?.close();
  }
}

async function head(file: FileHandle, length: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, 0);
  return buffer.subarray(0, bytesRead);
}

/** Shapes by name, of a weights file that is as long as its header says. */
async function shapesIn(file: FileHandle, fileBytes: number): Promise<ReadonlyMap<string, readonly number[]>> {
  const end = safetensorsHeaderEnd(await head(file, LENGTH_BYTES), BUNDLE_FILES.weights);
  return safetensorsShapes(await head(file, Math.min(end, fileBytes)), fileBytes, BUNDLE_FILES.weights);
}

/** Images of a listed file; 0 where the card lists none. */
async function countImages(dir: string, card: BundleCard, name: string): Promise<number> {
  if (!(name in card.files)) return 0;
  const { seen } = await peek(dir, name, async (file, fileBytes) =>
    idxDims(await head(file, MAX_IDX_HEADER), fileBytes, name),
  );
  return seen[0] ?? 0;
}

async function readSpace(dir: string, card: BundleCard): Promise<SearchSpace> {
  const name = BUNDLE_FILES.space;
  const expected = card.files[name] ?? invalid(dir, `${BUNDLE_FILES.card} lists no ${name}`);
  const bytes = await readBytes(dir, name);
  const found = sha256(bytes);
  if (found !== expected) {
    invalid(dir, `${name} is not the file that was written: expected sha256 ${expected}, found ${found}`);
  }
  return parsed(dir, () => parseSpace(parseJson(bytes, name), name));
}

/** Without either, no network of the bundle could run. */
function assertStatistics(dir: string, shapes: ReadonlyMap<string, unknown>, calibrationImages: number): void {
  if (calibrationImages > 0 || [...shapes.keys()].some((name) => name.endsWith('.bn.running_mean'))) return;
  invalid(dir, 'it has neither calibration images nor batch-normalization statistics in its weights');
}

/**
 * Reads what a bundle says of itself: its card, its space, and the headers of its weights and images. Every listed file must be there and as
 * long as its header says, and the weights of the space's shapes; that bytes are those that were written is seen when `loadBundle` reads them.
 * @throws BespokeError `bundle-invalid`, naming the file or tensor, what was expected and what was found
 */
export async function readBundleFacts(dir: string): Promise<BundleFacts> {
  const cardBytes = await readBytes(dir, BUNDLE_FILES.card);
  const card = parsed(dir, () => parseBundleCard(cardBytes, BUNDLE_FILES.card));
  const space = await readSpace(dir, card);
  const weightsSha256 =
    card.files[BUNDLE_FILES.weights] ?? invalid(dir, `${BUNDLE_FILES.card} lists no ${BUNDLE_FILES.weights}`);
  const { seen: shapes } = await peek(dir, BUNDLE_FILES.weights, shapesIn);
  parsed(dir, () => assertTensorsOfSpace(space, shapes, BUNDLE_FILES.weights));
  let bytes = 0;
  for (const name of Object.keys(card.files)) bytes += (await peek(dir, name, async () => undefined)).bytes;
  const calibrationImages = await countImages(dir, card, BUNDLE_FILES.calibration);
  assertStatistics(dir, shapes, calibrationImages);
  return {
    ...{ dir, id: card.id, title: card.title, space, weightsSha256, input: card.input, classNames: card.classNames },
    bundleSha256: sha256(canonicalJson(card.files)),
    calibrationImages,
    verificationImages: await countImages(dir, card, BUNDLE_FILES.verification),
    files: Object.keys(card.files),
    bytes,
    figures: card.figures,
  };
}
