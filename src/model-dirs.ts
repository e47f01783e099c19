import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { BespokeError, type Problem, toProblem } from './common/errors.js';
import { type BundleFacts, readBundleFacts } from './supernet/bundle-facts.js';
import { BUNDLE_FILES } from './supernet/bundle-files.js';

/** A folder that looked like a bundle, or a latency profile, that was refused. */
export interface Refused {
  readonly kind: 'bundle' | 'profile';
  /** The name that a request would have for it: its folder's where it does not tell. */
  readonly id: string;
  readonly dir: string;
  readonly problem: Problem;
}

/** Refuses a folder by name; anything but an expected failure is thrown on. */
export function refusedBundle(dir: string, error: unknown): Refused {
  if (!(error instanceof BespokeError)) throw error;
  return { kind: 'bundle', id: basename(dir), dir, problem: toProblem(error) };
}

/** A model folder is a bundle itself, or a folder of bundles. @throws BespokeError `bundle-invalid` if it cannot be read */
function bundleDirs(modelDir: string): string[] {
  try {
    const entries = readdirSync(modelDir, { withFileTypes: true });
    if (entries.some(({ name }) => name === BUNDLE_FILES.card)) return [modelDir];
    const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
    return folders.map(({ name }) => join(modelDir, name));
  } catch (cause) {
    throw new BespokeError('bundle-invalid', `the models folder "${modelDir}" cannot be read`, {}, cause);
  }
}

/** What is found in the model folders: bundles by what they say of themselves, and what is refused. */
export interface FoundBundles {
  readonly bundles: readonly BundleFacts[];
  readonly refused: readonly Refused[];
}

/** Looks through the model folders without loading a bundle; a broken one is refused by name and stops none of the others. */
export async function findBundles(modelDirs: readonly string[]): Promise<FoundBundles> {
  const byId = new Map<string, BundleFacts>();
  const refused: Refused[] = [];
  for (const modelDir of modelDirs) {
    try {
      for (const dir of bundleDirs(modelDir)) {
        try {
          addBundle(byId, await readBundleFacts(dir));
        } catch (error) {
          refused.push(refusedBundle(dir, error));
        }
      }
    } catch (error) {
      refused.push(refusedBundle(modelDir, error));
    }
  }
  return { bundles: [...byId.values()], refused };
}

function addBundle(byId: Map<string, BundleFacts>, facts: BundleFacts): void {
  const first = byId.get(facts.id);
  if (first !== undefined) {
    throw new BespokeError(
      'bundle-invalid',
      `the bundle in "${facts.dir}" has the id "${facts.id}" of the one in "${first.dir}"; only the first is served`,
    );
  }
  byId.set(facts.id, facts);
}
