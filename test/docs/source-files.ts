import { readdirSync, readFileSync } from 'node:fs';

const ROOT = new URL('../../', import.meta.url);

/** A file of the repository: its path from the root, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A text file of the repository. */
export function readText(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8');
}

/** TypeScript files below a folder, generated ones left out, in path order. */
export function sourceFiles(dir: string): SourceFile[] {
  return readdirSync(new URL(`${dir}/`, ROOT), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.startsWith('generated/'))
    .map((path) => ({ path: `${dir}/${path}`, text: readText(`${dir}/${path}`) }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The room of a path: the folder below src/, or `''` for a composition root beside them. */
export function roomOf(path: string): string {
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? '';
}

/**
 * The text with comments, and the contents of strings and templates, blanked out; line breaks stay, so that line numbers do too.
 * A template's `${…}` is blanked with it: what matters to a rule is rarely there.
 */
export function codeOnly(text: string): string {
  const token = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
  return text.replaceAll(token, (found) => found.replaceAll(/[^\n]/g, ' '));
}

/** `path:line: found` for every match of a pattern (with the g flag) in the files' code. */
export function findings(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) => {
    const code = codeOnly(text);
    return [...code.matchAll(pattern)].map((match) => {
      const line = code.slice(0, match.index).split('\n').length;
      return `${path}:${line}: ${match[0].trim()}`;
    });
  });
}
