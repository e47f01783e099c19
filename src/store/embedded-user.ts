import { spawnSync } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { storageFailed } from './storage-error.js';

/** How PostgreSQL's programs are started, which refuse to run as root. */
export interface RunAs {
  /** Owner of the database's files, where it is not this process's user. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** The command line that starts a program as that user. */
  command(program: string, args: readonly string[]): readonly [string, readonly string[]];
  /** For `spawn`: the user to change to. */
  readonly identity: { readonly uid?: number; readonly gid?: number };
}

/** Users to run as when this process is root's, the first that exists: PostgreSQL's own, then the one that owns nothing. */
const USERS = ['postgres', 'nobody'];

/** May enter a folder: the search bit, for its owner; the same bit three places lower is the group's, six lower everybody's. */
const OWNER_SEARCH = 0o100;

const PLAIN: RunAs = { command: (program, args) => [program, args], identity: {} };

/**
 * Decides as whom the database runs: as this process's user, or, where that is root, as an unprivileged one.
 * @param paths folders that the programs must be able to enter: theirs and the data folder
 * @param clusterDir the database's folder, which may not be there yet; its owner is kept
 * @throws BespokeError `storage-failed` when this is root and no other user can be used
 */
export async function chooseUser(paths: readonly string[], dataDir: string, clusterDir: string): Promise<RunAs> {
  if (process.getuid?.() !== 0) return PLAIN;
  const owner = (await ownerOf(clusterDir)) ?? (await unprivilegedUser());
  if (owner === undefined)
    throw storageFailed(
      dataDir,
      `PostgreSQL does not run as root, and there is no user ${USERS.join(' or ')} to run it as; start as another user or set DATABASE_URL`,
    );
  const open = await Promise.all(paths.map((path) => mayEnter(path, owner)));
  if (open.every(Boolean)) return { ...PLAIN, owner, identity: owner };
  return withSearchCapability(dataDir, owner);
}

async function ownerOf(dir: string): Promise<{ uid: number; gid: number } | undefined> {
  const found = await stat(dir).catch(() => undefined);
  return found === undefined || found.uid === 0 ? undefined : { uid: found.uid, gid: found.gid };
}

async function unprivilegedUser(): Promise<{ uid: number; gid: number } | undefined> {
  const lines = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').map((line) => line.split(':'));
  const entry = USERS.map((user) => lines.find(([name]) => name === user)).find((found) => found !== undefined);
  return entry === undefined ? undefined : { uid: Number(entry[2]), gid: Number(entry[3]) };
}

async function mayEnter(path: string, { uid, gid }: { readonly uid: number; readonly gid: number }): Promise<boolean> {
  const { mode, uid: owner, gid: group } = await stat(path);
  const bit = owner === uid ? OWNER_SEARCH : group === gid ? OWNER_SEARCH >> 3 : OWNER_SEARCH >> 6;
  if ((mode & bit) === 0) return false;
  const parent = dirname(path);
  return parent === path || mayEnter(parent, { uid, gid });
}

/**
 * A folder on the way is closed to others, as /root usually is. Root may pass on the one right that is missing
 * (Linux capabilities, ambient set; util-linux's setpriv).
 */
function withSearchCapability(dataDir: string, { uid, gid }: { readonly uid: number; readonly gid: number }): RunAs {
  const flags = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  flags.push('--inh-caps=+dac_override', '--ambient-caps=+dac_override');
  if (spawnSync('setpriv', [...flags, 'true'], { stdio: 'ignore' }).status !== 0)
    throw storageFailed(
      dataDir,
      'PostgreSQL does not run as root, and the unprivileged user it would run as may not enter this folder or the one Bespoke is installed in; start as another user or move it out of /root',
    );
  return {
    owner: { uid, gid },
    identity: {},
    command: (program, args) => ['setpriv', [...flags, program, ...args]],
  };
}
