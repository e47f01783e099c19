import type { Lowering } from '../autodiff/term.js';
import { BespokeError } from '../common/errors.js';
import { createSession, knownExecutionProviders } from '../runtime/session.js';
import { computesAsCpu, probeLowering, type RunModel } from './probe-nchwc.js';

/** Runs a model once on one thread, in a session that is released again. */
function runnerOn(executionProviders: readonly string[]): RunModel {
  return async (model, feeds) => {
    const session = await createSession(model, { threads: 1, optimization: 'disabled', executionProviders });
    try {
      return await session.run(feeds);
    } finally {
      await session.release();
    }
  };
}

/**
 * The operators that step graphs are made of, by name.
 * @param name `auto` (tries which are right on this machine), `standard`, `nchwc8` or `nchwc16`
 * @throws BespokeError `invalid-request` for another name
 */
export async function chooseLowering(name: string): Promise<Lowering> {
  switch (name) {
    case 'auto':
      return probeLowering(runnerOn(['cpu']));
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

/** What step graphs are made of, and what runs them. */
interface StepBackend {
  readonly lowering: Lowering;
  /** ONNX Runtime's names in order of preference; absent for the CPU alone. */
  readonly executionProviders?: readonly string[];
}

/**
 * The operators for the execution providers asked for. Anything but the CPU runs step graphs of standard operators: the blocked ones are the
 * CPU's own. Every provider is tried once, so that one that is known but not installed is told before training begins.
 * @param lowering as for {@link chooseLowering}
 * @param providers ONNX Runtime's names, in order of preference; none for the CPU
 * @throws BespokeError `invalid-request` for a name that ONNX Runtime does not know, a provider that does not work here, or blocked operators on
 * anything but the CPU
 */
export async function chooseBackend(lowering: string, providers: readonly string[]): Promise<StepBackend> {
  const known = knownExecutionProviders();
  const unknown = providers.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new BespokeError(
      'invalid-request',
      `the execution provider is one of those that ONNX Runtime knows here (${known.join(', ')}), got "${unknown}"`,
    );
  }
  if (providers.every((name) => name === 'cpu')) return { lowering: await chooseLowering(lowering) };
  const operators = await chooseLowering(lowering === 'auto' ? 'standard' : lowering);
  if (operators.kind !== 'standard') {
    throw new BespokeError(
      'invalid-request',
      `the lowering ${lowering} runs on the cpu alone; with ${providers.join(', ')} it is standard, or left out`,
    );
  }
  for (const name of providers) if (name !== 'cpu') await tryProvider(name);
  return { lowering: operators, executionProviders: providers };
}

async function tryProvider(name: string): Promise<void> {
  let isRight: boolean;
  try {
    isRight = await computesAsCpu(runnerOn([name]), runnerOn(['cpu']));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BespokeError('invalid-request', `the execution provider "${name}" cannot be used: ${reason}`, {}, cause);
  }
  if (isRight) return;
  const detail = `the execution provider "${name}" cannot be used: its gradients of a small network differ from the cpu's`;
  throw new BespokeError('invalid-request', detail);
}
