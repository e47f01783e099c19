/** How an image becomes the network's input; written into the ONNX as `bespoke.input`. */
export interface InputSpec {
  readonly channels: number;
  readonly channelOrder: 'grey' | 'rgb';
  /** Pixel 0..255 is scaled to this range first, then (x - mean) / std per channel. */
  readonly range: readonly [number, number];
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly resize: 'bilinear';
  readonly antialias: true;
  readonly cropFraction: number;
}

/** Images as stored: uint8 [N, H, W, C], with labels 0..classes-1 where known. */
export interface ImageSet {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Length count * height * width * channels. */
  readonly pixels: Uint8Array;
  readonly labels?: Uint8Array;
}
