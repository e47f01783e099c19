import { BespokeError } from '../common/errors.js';
import { JsonRefusal } from './json-reader.js';

/** Steps from the root of a JSON value to one of its parts: names of members, places in lists. */
type Path = readonly string[];

const TOKEN = /"(?:[^"\\]+|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const keyOf = (path: Path): string => JSON.stringify(path);

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** A path as people write it: `phases[0].lr`. */
function spell(path: Path): string {
  return path.map((step, i) => (/^\d+$/.test(step) ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
}

/** An object or a list that is being walked through. */
interface Frame {
  readonly isList: boolean;
  /** The member or the place that the walk is at. */
  step: string;
  /** An object's next string is a member's name. */
  awaitsName: boolean;
}

/** Where the parts of a JSON text stand. */
class JsonMap {
  readonly #text: string;
  readonly #file: string;
  readonly #offsets = new Map<string, number>();

  /**
   * @param text valid JSON
   * @throws BespokeError `invalid-request` for a member that is given twice: of which all but the last would be ignored
   */
  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
    const frames: Frame[] = [];
    for (const { 0: token, index } of text.matchAll(TOKEN)) {
      const frame = frames.at(-1);
      if (token === '}' || token === ']') frames.pop();
      else if (token === ',' && frame !== undefined) {
        if (frame.isList) frame.step = String(Number(frame.step) + 1);
        else frame.awaitsName = true;
      } else if (frame?.awaitsName) {
        frame.step = String(JSON.parse(token)); // a string, as the text is valid
        frame.awaitsName = false;
        this.#addMember(
          frames.map(({ step }) => step),
          index,
        );
      } else if (token !== ':' && token !== ',') {
        if (frame === undefined || frame.isList) {
          this.#offsets.set(keyOf(frames.map(({ step }) => step)), index);
        }
        if (token === '{') frames.push({ isList: false, step: '', awaitsName: true });
        if (token === '[') frames.push({ isList: true, step: '0', awaitsName: false });
      }
    }
  }

  #addMember(path: Path, offset: number): void {
    const key = keyOf(path);
    const first = this.#offsets.get(key);
    if (first !== undefined) {
      const [line, before] = [offset, first].map((at) => lineAt(this.#text, at));
      throw new BespokeError(
        'invalid-request',
        `${this.#file}, line ${line}: ${spell(path)} is given twice, first in line ${before}; leave one.`,
      );
    }
    this.#offsets.set(key, offset);
  }

  /** The line of a part, or of the innermost part around it that is there; counted from 1. */
  lineOf(path: Path): number {
    for (let length = path.length; length >= 0; length--) {
      const offset = this.#offsets.get(keyOf(path.slice(0, length)));
      if (offset !== undefined) return lineAt(this.#text, offset);
    }
    return 1;
  }
}

/** Parses JSON text; a syntax error names the line and column. */
function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const position = /position (\d+)/.exec(reason)?.[1];
    const lines = text.slice(0, position === undefined ? text.length : Number(position)).split('\n');
    const column = (lines.at(-1)?.length ?? 0) + 1;
    throw new BespokeError('invalid-request', `${file}, line ${lines.length}, column ${column}: ${reason}`, {}, cause);
  }
}

/**
 * Reads a JSON file so that every refusal names the line.
 * @param file what errors call it, such as its path
 * @param read takes the value apart with the readers of `json-reader.ts`, whose `where` begins with `file`
 * @throws BespokeError `invalid-request` with line and column of a syntax error, or the line, the field, its rule and what was given
 */
export function readJsonText<T>(text: string, file: string, read: (value: unknown, where: string) => T): T {
  const value = parse(text, file);
  const map = new JsonMap(text, file);
  try {
    return read(value, file);
  } catch (error) {
    if (!(error instanceof JsonRefusal) || !error.at.startsWith(file) || !error.where.startsWith(file)) throw error;
    const pathIn = (where: string): Path => where.slice(file.length).match(/[^\s:.[\]]+/g) ?? [];
    const named = spell(pathIn(error.where));
    const place = `${file}, line ${map.lineOf(pathIn(error.at))}:`;
    throw new BespokeError('invalid-request', `${place} ${named === '' ? 'the file' : named} ${error.rest}`, {}, error);
  }
}
