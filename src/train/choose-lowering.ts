import type { Lowering } from '../autodiff/term.js';
import { BespokeError } from '../common/errors.js';
import { createSession } from '../runtime/session.js';
import { probeLowering } from './probe-nchwc.js';

/** Runs a model once on one thread, in a session that is released again. */
async function runOnce(...[model, feeds]: Parameters<Parameters<typeof probeLowering>[0]>) {
  const session = await createSession(model, { threads: 1, optimization: 'disabled' });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/**
 * The operators that step graphs are made of, by name.
 * @param name `auto` (tries which are right on this machine), `standard`, `nchwc8` or `nchwc16`
 * @throws BespokeError `invalid-request` for another name
 */
export async function chooseLowering(name: string): Promise<Lowering> {
  switch (name) {
    case 'auto':
      return probeLowering(runOnce);
    case 'standard':
      return { kind: 'standard' };
    case 'nchwc8':
      return { kind: 'nchwc', block: 8 };
    case 'nchwc16':
      return { kind: 'nchwc', block: 16 };
    default:
      throw new BespokeError('invalid-request', `the lowering is auto, standard, nchwc8 or nchwc16, got "${name}"`);
  }
}
