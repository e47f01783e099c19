import { BespokeError } from '../common/errors.js';

/** What the codes of a failed file operation mean to a user, as the end of a sentence about a folder. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'its file system is read-only',
  ENOSPC: 'its disk is full',
  EDQUOT: 'its disk quota is used up',
  EFBIG: 'a file of that size may not be written there',
  ENOENT: 'it is not there and cannot be made',
  ENOTDIR: 'a part of its path is a file, not a folder',
  EEXIST: 'a file is in its place',
  EISDIR: 'a folder is in the place of a file',
  EIO: 'its disk fails',
};

/** The reason for a code of the operating system, `ENOSPC` for one; undefined for codes that no user can do anything about. */
export function reasonOfCode(code: string): string | undefined {
  return REASONS[code];
}

/** The code of an error of the operating system; empty for any other value. */
export function codeOfError(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** What to do about it. */
function adviceFor(code: string): string {
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'free space or choose another folder';
  if (code === 'EIO') return 'look at the disk or choose another folder';
  return 'choose another folder or let this user write there';
}

/** `storage-failed` in one sentence: what could not be done to a path, why, and what to do. A `BespokeError` stays as it is. */
export function fileFailed(what: string, error: unknown): BespokeError {
  if (error instanceof BespokeError) return error;
  const code = codeOfError(error);
  const reason = REASONS[code] ?? (error instanceof Error ? error.message : String(error));
  const sentence = `${what}: ${reason}${code === '' ? '' : ` (${code})`}; ${adviceFor(code)}`;
  return new BespokeError('storage-failed', sentence, {}, error);
}
