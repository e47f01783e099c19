import { invariant } from '../common/invariant.js';
import { type FloatTensor, floats, sizeOf } from '../tensor/tensor.js';

/** One parameter's place in the flat vectors (weights, gradients, momentum) that training works on. */
export interface ParameterSlot {
  readonly name: string;
  /** Largest shape: that of the supernet. */
  readonly dims: readonly number[];
  readonly offset: number;
  readonly size: number;
  /** Whether weight decay applies: convolution and linear weights only. */
  readonly decays: boolean;
}

/** Every parameter of a supernet, one after the other, in the order of its tensors. */
export interface ParameterLayout {
  readonly slots: readonly ParameterSlot[];
  readonly byName: ReadonlyMap<string, ParameterSlot>;
  readonly size: number;
}

/** Biases, batch-normalisation scale and shift, and kernel transforms are not pulled to zero. Source: OFA's `net_grouped_params` without bn#bias. */
function decaysIn(name: string): boolean {
  return name.endsWith('.weight') && !name.endsWith('.bn.weight');
}

/** The layout of a supernet's tensors, in their order. */
export function layoutOf(tensors: ReadonlyMap<string, FloatTensor>): ParameterLayout {
  let offset = 0;
  const slots = [...tensors].map(([name, { dims }]) => {
    const size = sizeOf(dims);
    const slot = { name, dims, offset, size, decays: decaysIn(name) };
    offset += size;
    return slot;
  });
  return { slots, byName: new Map(slots.map((slot) => [slot.name, slot])), size: offset };
}

/** The place of a parameter; a name that is not there is a programming mistake. */
export function slotOf(layout: ParameterLayout, name: string): ParameterSlot {
  const slot = layout.byName.get(name);
  invariant(slot !== undefined, () => `the supernet has no parameter "${name}"`);
  return slot;
}

/** Copies tensors into a flat vector, in place. */
export function flatten(layout: ParameterLayout, tensors: ReadonlyMap<string, FloatTensor>, flat: Float32Array): void {
  for (const { name, offset, size } of layout.slots) {
    const tensor = tensors.get(name);
    invariant(tensor?.data.length === size, () => `"${name}" has ${tensor?.data.length} elements, the layout ${size}`);
    flat.set(tensor.data, offset);
  }
}

/** Copies a flat vector out into tensors of the largest shapes. */
export function unflatten(layout: ParameterLayout, flat: Float32Array): Map<string, FloatTensor> {
  return new Map(
    layout.slots.map(({ name, dims, offset, size }) => [name, floats(dims, flat.slice(offset, offset + size))]),
  );
}
