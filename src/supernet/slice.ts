import { invariant } from '../common/invariant.js';
import { canonicalArch } from '../space/arch.js';
import type { Arch, ConvLayer, LayerSpec, SearchSpace } from '../space/types.js';
import { type FloatTensor, floats, sizeOf } from '../tensor/tensor.js';
import { transformKernels } from './kernel-transform.js';
import type { Subnet, Supernet, SupernetTensors } from './types.js';

/**
 * The leading entries along every dimension.
 * @param dims sizes to keep, each 1 or more and at most the tensor's own
 * @returns a tensor of these dims; the tensor itself if nothing is cut, a copy otherwise
 */
export function leadingSlice(tensor: FloatTensor, dims: readonly number[]): FloatTensor {
  const { dims: from, data } = tensor;
  invariant(
    from.length === dims.length && dims.every((size, axis) => size >= 1 && size <= from[axis]!),
    () => `cannot slice [${dims.join(', ')}] out of [${from.join(', ')}]`,
  );
  const lastCut = dims.findLastIndex((size, axis) => size !== from[axis]);
  if (lastCut < 0) return tensor;
  // Everything behind the last cut axis is kept whole, so that runs along that axis are contiguous.
  const run = sizeOf(dims.slice(lastCut));
  const step = sizeOf(from.slice(lastCut));
  const outer = dims.slice(0, lastCut);
  const out = new Float32Array(sizeOf(dims));
  const rows = sizeOf(outer);
  for (let row = 0; row < rows; row++) {
    let source = 0;
    let rest = row;
    let stride = step;
    for (let axis = lastCut - 1; axis >= 0; axis--) {
      source += (rest % dims[axis]!) * stride;
      rest = Math.floor(rest / dims[axis]!);
      stride *= from[axis]!;
    }
    out.set(data.subarray(source, source + run), row * run);
  }
  return floats(dims, out);
}

/** Parts of a batch normalisation, all of dims `[out]`; the running statistics are there in imported checkpoints alone. */
const BN_PARTS = ['bn.weight', 'bn.bias'] as const;
const RUNNING_PARTS = ['bn.running_mean', 'bn.running_var'] as const;

interface Slicer {
  readonly source: SupernetTensors;
  readonly sliced: Map<string, FloatTensor>;
}

function tensorAt(source: SupernetTensors, key: string): FloatTensor {
  const tensor = source.get(key);
  invariant(tensor !== undefined, () => `the supernet has no tensor "${key}"`);
  return tensor;
}

function keep({ source, sliced }: Slicer, key: string, dims: readonly number[]): void {
  sliced.set(key, leadingSlice(tensorAt(source, key), dims));
}

function sliceConv(slicer: Slicer, space: SearchSpace, layer: ConvLayer): void {
  const { name, outChannels, inChannels, kernel } = layer;
  const key = `${name}.weight`;
  if (layer.op === 'depthwise') {
    const stored = tensorAt(slicer.source, key);
    const side = stored.dims[2] ?? 0;
    const active = leadingSlice(stored, [outChannels, 1, side, side]);
    const matrixOf = (from: number, to: number): FloatTensor | undefined =>
      space.kernelTransform ? tensorAt(slicer.source, `${name}.transform${from}to${to}`) : undefined;
    slicer.sliced.set(key, transformKernels(active, kernel, { sizes: space.kernelSizes, matrixOf }));
  } else {
    keep(slicer, key, [outChannels, inChannels, kernel, kernel]);
  }
  for (const part of BN_PARTS) keep(slicer, `${name}.${part}`, [outChannels]);
  for (const part of RUNNING_PARTS) {
    if (slicer.source.has(`${name}.${part}`)) keep(slicer, `${name}.${part}`, [outChannels]);
  }
}

function sliceLayer(slicer: Slicer, space: SearchSpace, layer: LayerSpec): void {
  const { name, inChannels, outChannels } = layer;
  switch (layer.op) {
    case 'conv':
    case 'depthwise':
      sliceConv(slicer, space, layer);
      return;
    case 'squeezeExcite':
      keep(slicer, `${name}.reduce.weight`, [layer.midChannels, inChannels]);
      keep(slicer, `${name}.reduce.bias`, [layer.midChannels]);
      keep(slicer, `${name}.expand.weight`, [inChannels, layer.midChannels]);
      keep(slicer, `${name}.expand.bias`, [inChannels]);
      return;
    case 'linear':
      keep(slicer, `${name}.weight`, [outChannels, inChannels]);
      if (layer.bias) keep(slicer, `${name}.bias`, [outChannels]);
      return;
    case 'globalPool':
    case 'maxPool':
    case 'averagePool':
      return;
  }
}

/**
 * Cuts a sub-network's own tensors out of a supernet: the leading channels of every weight, batch normalisation and squeeze-excite,
 * and depthwise kernels transformed to the active size. Tensors that are kept whole are shared, not copied; none is changed.
 * @param supernet tensors as `SupernetTensors` says
 * @param arch an arch of the supernet's space
 * @param layers `lower(space, arch)`
 * @returns tensors of exactly the shapes that `layers` asks for, without transform matrices
 * Source: Cai et al. 2020, section 3.3; OFA `get_active_subnet`
 */
export function sliceSubnet(supernet: Supernet, arch: Arch, layers: readonly LayerSpec[]): Subnet {
  const { space, tensors: source } = supernet;
  const slicer = { source, sliced: new Map<string, FloatTensor>() };
  for (const layer of layers) sliceLayer(slicer, space, layer);
  return { space, arch: canonicalArch(space, arch), layers, tensors: slicer.sliced };
}
