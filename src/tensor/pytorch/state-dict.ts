import { denseTensor, elementBudget, type ReadTensor } from './dense.js';
import { openTorchFile } from './open.js';
import {
  describe,
  type PickleDict,
  type PickleValue,
  quoted,
  refuseFile,
  type TensorRef,
  type TorchFormat,
} from './values.js';

/** Names under which training programs put the tensors, looked for in this order. */
const WRAPPERS = ['state_dict', 'model'] as const;
/** Wrappers inside wrappers, at most. */
const MAX_WRAPPED = 3;

/** The named tensors of a file. */
export interface StateDict {
  readonly format: TorchFormat;
  /** Where in what was saved they lay: `state_dict`, `model`, `model.state_dict`; empty if they were all there was. */
  readonly path: string;
  /** In the file's order; 16-bit floats are widened to float32. */
  readonly tensors: ReadonlyMap<string, ReadTensor>;
}

const isObject = (value: PickleValue | undefined): value is Extract<PickleValue, { readonly kind: string }> =>
  typeof value === 'object' && value !== null && !(value instanceof Uint8Array);

const isDict = (value: PickleValue | undefined): value is PickleDict => isObject(value) && value.kind === 'dict';
const isTensor = (value: PickleValue | undefined): value is TensorRef => isObject(value) && value.kind === 'tensor';

/** The dict of tensors, unwrapped. */
function findTensors(root: PickleValue, where: string): { dict: PickleDict; path: string } {
  const path: string[] = [];
  let value = root;
  while (path.length <= MAX_WRAPPED) {
    if (!isDict(value)) break;
    const { entries }: PickleDict = value;
    const wrapper = WRAPPERS.find((name) => isDict(entries.get(name)));
    if (wrapper === undefined) return { dict: value, path: path.join('.') };
    path.push(wrapper);
    value = entries.get(wrapper)!; // `find` saw it
  }
  const within = path.length === 0 ? 'it holds' : `its ${path.join('.')} is`;
  return refuseFile(
    where,
    `${within} ${describe(value)}; wanted are named tensors, or those under ${WRAPPERS.join(' or ')}`,
  );
}

/**
 * Reads the named tensors of a file of `torch.save`: a state_dict, or one wrapped as `state_dict` or `model` beside anything else.
 * Executes nothing that is in the file; needs memory of a few times the file's size at most.
 * @param bytes the whole file; tensors are views of it where that is possible, so do not change it afterwards
 * @param where what the bytes are, for errors: usually the file's name
 * @throws BespokeError `invalid-request` with one sentence: what the file is instead, where it is damaged, or which entry is no tensor that is read
 */
export function decodeStateDict(bytes: Uint8Array, where: string): StateDict {
  const file = openTorchFile(bytes, where);
  const { dict, path } = findTensors(file.root, where);
  if (dict.entries.size === 0) refuseFile(where, 'it holds no tensors');
  const budget = elementBudget(bytes.length);
  const tensors = new Map<string, ReadTensor>();
  for (const [name, value] of dict.entries) {
    if (typeof name !== 'string' || !isTensor(value)) {
      const entry = typeof name === 'string' ? quoted(name) : describe(name);
      return refuseFile(
        where,
        `its entry ${entry} is ${describe(value)}; wanted are named tensors, or those under ${WRAPPERS.join(' or ')}`,
      );
    }
    tensors.set(name, denseTensor(name, value, file, budget));
  }
  return { format: file.format, path, tensors };
}
