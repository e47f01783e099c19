import type { Rng } from '../common/rng.js';

/** How a training image is varied, at full size and on raw pixels, before the resize. */
export interface Augmentation {
  /** Mirror left-right with probability 1/2. */
  readonly flip: boolean;
  /** Largest shift in pixels, uniform in -shift..shift in each direction; uncovered pixels become raw 0. */
  readonly shift: number;
  /** Probability 0..1 of erasing a random rectangle. */
  readonly erase: number;
}

/** Images changed in place: uint8 `[N, H, W, C]`. */
export interface MutablePixels {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly pixels: Uint8Array;
}

/** Area and aspect ratio of an erased rectangle. Source: Zhong et al. 2020, "Random erasing data augmentation" (s_l, s_h, r_1). */
const ERASE_AREA = [0.02, 0.33] as const;
const ERASE_ASPECT = [0.3, 1 / 0.3] as const;
/** Rectangles that do not fit are drawn again, so often at most. */
const ERASE_TRIES = 10;

function eraseRectangle(image: Uint8Array, batch: MutablePixels, rng: Rng): void {
  const { height, width, channels } = batch;
  for (let attempt = 0; attempt < ERASE_TRIES; attempt++) {
    const area = (ERASE_AREA[0] + rng.next() * (ERASE_AREA[1] - ERASE_AREA[0])) * height * width;
    const logLow = Math.log(ERASE_ASPECT[0]);
    const aspect = Math.exp(logLow + rng.next() * (Math.log(ERASE_ASPECT[1]) - logLow));
    const eraseHeight = Math.round(Math.sqrt(area * aspect));
    const eraseWidth = Math.round(Math.sqrt(area / aspect));
    if (eraseHeight < 1 || eraseWidth < 1 || eraseHeight >= height || eraseWidth >= width) continue;
    const top = rng.int(height - eraseHeight + 1);
    const left = rng.int(width - eraseWidth + 1);
    for (let y = top; y < top + eraseHeight; y++) {
      const start = (y * width + left) * channels;
      for (let i = start; i < start + eraseWidth * channels; i++) image[i] = rng.int(256); // noise, the paper's RE-R
    }
    return;
  }
}

/** Writes the image that shows `source` mirrored (or not) and moved by (dx, dy); outside is 0. */
function moveInto(image: Uint8Array, source: Uint8Array, batch: MutablePixels, move: Move): void {
  const { height, width, channels } = batch;
  image.fill(0);
  for (let y = Math.max(0, move.dy); y < Math.min(height, height + move.dy); y++) {
    for (let x = Math.max(0, move.dx); x < Math.min(width, width + move.dx); x++) {
      const fromX = move.mirror ? width - 1 - (x - move.dx) : x - move.dx;
      const from = ((y - move.dy) * width + fromX) * channels;
      const to = (y * width + x) * channels;
      for (let c = 0; c < channels; c++) image[to + c] = source[from + c]!;
    }
  }
}

interface Move {
  readonly mirror: boolean;
  readonly dx: number;
  readonly dy: number;
}

/**
 * Flips, shifts and erases every image of a batch in place. The draws per image come from `rng.fork(i)`:
 * an image's variation does not depend on the batch's other images.
 */
export function augmentBatch(batch: MutablePixels, augmentation: Augmentation, rng: Rng): void {
  const size = batch.height * batch.width * batch.channels;
  const source = new Uint8Array(size);
  for (let i = 0; i < batch.count; i++) {
    const image = batch.pixels.subarray(i * size, i * size + size);
    const draw = rng.fork(i);
    const span = 2 * augmentation.shift + 1;
    const mirror = augmentation.flip && draw.chance(0.5);
    const dx = draw.int(span) - augmentation.shift;
    const dy = draw.int(span) - augmentation.shift;
    if (mirror || dx !== 0 || dy !== 0) {
      source.set(image);
      moveInto(image, source, batch, { mirror, dx, dy });
    }
    if (augmentation.erase > 0 && draw.chance(augmentation.erase)) eraseRectangle(image, batch, draw);
  }
}
