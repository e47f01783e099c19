import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { platform } from 'node:process';

/** Linux: every process is a folder here, and its start time tells it from a later one with the same pid. */
const HAS_PROC = platform === 'linux' && existsSync('/proc/self/stat');

/** Fields of /proc/PID/stat after the command, which may hold spaces and ends at the last ')': state is field 3, starttime field 22 (proc(5)). */
const STATE = 0;
const START_TIME = 19;

function statFields(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined; // no such process
  }
}

/**
 * When a process started, in the platform's own terms: equal for the same process, different for a later one with its pid.
 * @returns undefined when there is no such process (a dead one that nobody has waited for counts as none)
 */
export function processStart(pid: number): string | undefined {
  if (HAS_PROC) {
    const fields = statFields(pid);
    return fields === undefined || fields[STATE] === 'Z' ? undefined : fields[START_TIME];
  }
  if (!mayExist(pid)) return undefined;
  const { stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout?.trim() || 'unknown'; // no ps (Windows): the pid alone has to do
}

function mayExist(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isCode(error, 'EPERM'); // it is another user's
  }
}

/**
 * True if the process runs with `dir` as its working folder: PostgreSQL's processes all do with their data folder.
 * @param dir a real path, no links in it
 */
export function runsIn(pid: number, dir: string): boolean {
  if (processStart(pid) === undefined) return false;
  if (HAS_PROC) {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === dir;
    } catch {
      return false; // another user's process, so not ours
    }
  }
  const { stdout } = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout?.includes('postgres') === true && stdout.includes(dir);
}

/** True for an error of Node's with this code. */
export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
