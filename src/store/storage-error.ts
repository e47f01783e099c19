import { BespokeError } from '../common/errors.js';
import { codeOfError, reasonOfCode } from '../files/file-problem.js';

/** Codes of the operating system in the words of PostgreSQL's programs (strerror of the C library, locale C). */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/No space left on device|Check free disk space/, 'ENOSPC'], // the hint comes with a write that was cut short, too
  [/Disk quota exceeded/, 'EDQUOT'],
  [/Read-only file system/, 'EROFS'],
  [/Permission denied|Operation not permitted/, 'EACCES'],
  [/Input\/output error/, 'EIO'],
];

/** `storage-failed` in one sentence for a file operation on the data folder that failed; any other error as it is. */
export function toStorageError(error: unknown, dataDir: string): unknown {
  if (error instanceof BespokeError || !(error instanceof Error)) return error;
  const code = codeOfError(error);
  const reason = reasonOfCode(code) ?? (code === '' || code.startsWith('ERR_') ? undefined : error.message);
  return reason === undefined ? error : storageFailed(dataDir, reason, error);
}

/** `storage-failed` for a program of PostgreSQL's that ended early; `output` is what it wrote. */
export function programFailed(dataDir: string, program: string, output: string): BespokeError {
  const code = WORDS.find(([words]) => words.test(output))?.[1];
  const known = code === undefined ? undefined : reasonOfCode(code);
  if (known !== undefined) return storageFailed(dataDir, known, new Error(output));
  const lines = output.trim().split('\n');
  const line = lines.findLast((text) => /FATAL|PANIC|error:/.test(text)) ?? lines.at(-1);
  return storageFailed(dataDir, `${program} ended early: ${line?.trim() || 'it said nothing'}`, new Error(output));
}

/** The sentence that all of these have in common. */
export function storageFailed(dataDir: string, reason: string, cause?: unknown): BespokeError {
  return new BespokeError('storage-failed', `The data folder ${dataDir} cannot be used: ${reason}.`, {}, cause);
}
