import { BespokeError } from '../common/errors.js';
import { decodeModel } from '../onnx/codec.js';
import { parseArch } from '../space/reference-spelling.js';
import type { Arch } from '../space/types.js';
import type { Bundle } from '../supernet/types.js';
import { memberOf, readJson } from './arguments.js';
import { readWhole } from './checkpoint-file.js';

/** The architecture that a delivered model names in its metadata. */
async function archOfModel(path: string): Promise<unknown> {
  const text = decodeModel(await readWhole(path)).metadata['bespoke.arch'];
  if (text === undefined) {
    throw new BespokeError(
      'invalid-request',
      `"${path}" does not say which architecture it is; wanted is a model that bespoke delivered`,
    );
  }
  return JSON.parse(text) as unknown; // written by the exporter; parseArch checks what it says
}

/**
 * An architecture of a bundle's space from a file: its JSON in either spelling (`-`: standard input), the report of a specialization, or a
 * delivered `.onnx`.
 * @throws BespokeError `invalid-request` for a file that is none of these, `arch-out-of-space` for an architecture of another space
 */
export async function readArch(bundle: Bundle, path: string): Promise<Arch> {
  const read = path.endsWith('.onnx') ? await archOfModel(path) : await readJson(path);
  const delivered = memberOf(memberOf(read, 'delivered'), 'arch');
  return parseArch(bundle.supernet.space, delivered ?? read, { where: path });
}
