import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { platform } from 'node:process';
import { isCode } from '../files/process-identity.js';
import type { Binaries } from './embedded-binaries.js';
import type { RunAs } from './embedded-user.js';
import { programFailed, storageFailed } from './storage-error.js';

/** The database's superuser, the only user there is. */
export const DATABASE_USER = 'bespoke';

/** PostgreSQL's major version of the npm package; its data folders belong to one major version. */
const MAJOR_VERSION = '18';

/** Random bytes of the password. */
const PASSWORD_BYTES = 24;

/** Write-ahead log files of 4 MiB instead of 16: a new folder is 40 MB smaller. */
const WAL_SEGMENT_MB = 4;

/** Environment of PostgreSQL's programs: nothing of this process's, so that no PG* variable changes them. */
export const PROGRAM_ENV = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** A data folder's database: where it is and how to get in. */
export interface Cluster {
  readonly dataDir: string;
  readonly dir: string;
  readonly password: string;
}

/** What the programs are and as whom they run. */
export interface Tools {
  readonly binaries: Binaries;
  readonly runAs: RunAs;
}

/**
 * Opens the database's folder `<dataDir>/postgres`, made on first use (about 2 s), with its password in `<dataDir>/postgres.password`.
 * The folder appears under its name only when it is complete: a start that is cut off leaves nothing half made.
 * @throws BespokeError `storage-failed`
 */
export async function openCluster(dataDir: string, tools: Tools): Promise<Cluster> {
  const dir = join(dataDir, 'postgres');
  const version = (await readFile(join(dir, 'PG_VERSION'), 'utf8').catch(absent))?.trim();
  if (version !== undefined && version !== MAJOR_VERSION)
    throw storageFailed(
      dataDir,
      `its database was made by PostgreSQL ${version}, this version runs ${MAJOR_VERSION}; move it with pg_dump and pg_restore, or name another folder`,
    );
  const kept = (await readFile(passwordFile(dataDir), 'utf8').catch(absent))?.trim();
  const password = kept || (await newPassword(dataDir));
  if (version === undefined) await initialize({ dataDir, dir, password }, tools);
  else if (!kept) await resetPassword({ dataDir, dir, password }, tools);
  return { dataDir, dir, password };
}

function passwordFile(dataDir: string): string {
  return join(dataDir, 'postgres.password');
}

function absent(error: unknown): undefined {
  if (!isCode(error, 'ENOENT')) throw error;
}

async function newPassword(dataDir: string): Promise<string> {
  const password = randomBytes(PASSWORD_BYTES).toString('base64url');
  const path = passwordFile(dataDir);
  await rm(path, { force: true });
  await writeFile(path, `${password}\n`, { mode: 0o600, flag: 'wx' });
  return password;
}

async function initialize({ dataDir, dir, password }: Cluster, { binaries, runAs }: Tools): Promise<void> {
  await removeDrafts(dataDir);
  const draft = join(dataDir, `postgres.new-${process.pid}`);
  const given = `${draft}.password`; // a copy that the database's user may read
  await mkdir(draft, { mode: 0o700 });
  await chmod(draft, 0o700); // whatever the umask is
  await writeFile(given, password, { mode: 0o600 });
  if (runAs.owner !== undefined) {
    await chown(draft, runAs.owner.uid, runAs.owner.gid);
    await chown(given, runAs.owner.uid, runAs.owner.gid);
  }
  const args = [`--pgdata=${draft}`, `--username=${DATABASE_USER}`, `--pwfile=${given}`, '--auth=scram-sha-256'];
  args.push('--encoding=UTF8', '--locale=C', `--wal-segsize=${WAL_SEGMENT_MB}`);
  if (platform === 'linux') args.push('--sync-method=syncfs'); // one call for the file system instead of one for each of 1000 files
  try {
    await runProgram({ binaries, runAs }, { dataDir, program: 'initdb', args });
    await rename(draft, dir);
  } finally {
    await rm(given, { force: true });
    await rm(draft, { recursive: true, force: true });
  }
}

/** Removes what a start that was cut off left behind. */
async function removeDrafts(dataDir: string): Promise<void> {
  const names = await readdir(dataDir);
  for (const name of names.filter((found) => found.startsWith('postgres.new-')))
    await rm(join(dataDir, name), { recursive: true, force: true });
}

/** The password file was lost: whoever may write the folder may set another one, in PostgreSQL's single-user mode. */
async function resetPassword({ dataDir, dir, password }: Cluster, tools: Tools): Promise<void> {
  const input = `ALTER ROLE ${DATABASE_USER} PASSWORD '${password}'\n`; // base64url: no quote in it
  await runProgram(tools, { dataDir, program: 'postgres', args: ['--single', '-D', dir, 'postgres'], input });
}

interface ProgramRun {
  readonly dataDir: string;
  readonly program: 'initdb' | 'postgres';
  readonly args: readonly string[];
  readonly input?: string;
}

/** Runs one of PostgreSQL's programs to its end. @throws BespokeError `storage-failed` with what it said last */
function runProgram({ binaries, runAs }: Tools, { dataDir, program, args, input = '' }: ProgramRun): Promise<void> {
  const [command, commandArgs] = runAs.command(binaries[program], args);
  return new Promise((resolve, reject) => {
    const child = spawn(command, commandArgs, { ...runAs.identity, env: PROGRAM_ENV, cwd: '/', stdio: 'pipe' });
    let output = '';
    const gather = (chunk: Buffer): void => {
      output += chunk.toString('utf8');
    };
    child.stdout.on('data', gather);
    child.stderr.on('data', gather);
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(programFailed(dataDir, program, output))));
    child.stdin.on('error', () => {}); // it ended before it read its input; `close` tells why
    child.stdin.end(input);
  });
}
