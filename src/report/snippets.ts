import type { ReportView } from './model.js';

type SnippetView = Pick<ReportView, 'input' | 'delivered'>;

/** Shape and value range of the model's input, in one sentence. */
export function inputSentence({ input, delivered }: SnippetView): string {
  const side = delivered.arch.resolution;
  const { range, mean, std } = input;
  return (
    `Input "input": float32 [N, ${input.channels}, ${side}, ${side}] (NCHW, any N), ${input.channelOrder}. ` +
    `Scale pixels 0..255 to ${range[0]}..${range[1]}, then (x - mean) / std with mean ${list(mean)} and std ${list(std)}. ` +
    'Output "logits": float32 [N, classes].'
  );
}

/** Runs the model in JavaScript; `pixels` are 0..255, height x width x channels, at the model's resolution. */
export function javascriptSnippet({ input, delivered }: SnippetView): string {
  const side = delivered.arch.resolution;
  return `import * as ort from 'onnxruntime-node';

const mean = ${list(input.mean)};
const std = ${list(input.std)};
const side = ${side};
const channels = ${input.channels};

// pixels: Uint8Array, side x side x channels
export async function classify(session, pixels) {
  const data = new Float32Array(channels * side * side);
  for (let i = 0; i < side * side; i++) {
    for (let c = 0; c < channels; c++) {
      const x = ${scaled(input.range, 'pixels[i * channels + c]')};
      data[c * side * side + i] = (x - mean[c]) / std[c];
    }
  }
  const tensor = new ort.Tensor('float32', data, [1, channels, side, side]);
  const { logits } = await session.run({ input: tensor });
  return logits.data.indexOf(Math.max(...logits.data));
}

const session = await ort.InferenceSession.create('model.onnx');
console.log(await classify(session, pixels));
`;
}

/** The same in Python, from an image file. */
export function pythonSnippet({ input, delivered }: SnippetView): string {
  const side = delivered.arch.resolution;
  const mode = input.channelOrder === 'grey' ? 'L' : 'RGB';
  return `import numpy as np
import onnxruntime as ort
from PIL import Image

mean = np.array(${list(input.mean)}, np.float32)
std = np.array(${list(input.std)}, np.float32)

image = Image.open("image.png").convert("${mode}").resize((${side}, ${side}), Image.BILINEAR)
pixels = np.asarray(image, np.float32).reshape(${side}, ${side}, ${input.channels})
x = (${scaled(input.range, 'pixels')} - mean) / std
x = np.ascontiguousarray(x.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)

session = ort.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
(logits,) = session.run(["logits"], {"input": x})
print(int(logits[0].argmax()))
`;
}

/** The expression that scales 0..255 to the range; the same text is JavaScript and Python. */
function scaled([low, high]: readonly [number, number], pixel: string): string {
  if (low === 0 && high === 255) return pixel;
  const share = high - low === 1 ? `${pixel} / 255` : `${pixel} / 255 * ${high - low}`;
  return low === 0 ? share : `(${share} + ${low})`;
}

/** Numbers as a literal of both languages. */
function list(values: readonly number[]): string {
  return `[${values.join(', ')}]`;
}
