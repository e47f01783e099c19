import type { components } from '../src/generated/openapi.js';

type Specialization = components['schemas']['Specialization'];

/** One request: what is sent, and what must come back. */
export interface Asked {
  readonly label: string;
  readonly path: '/v1/estimates' | '/v1/specializations';
  readonly body: object | string;
  readonly status: number;
  /** The problem's code; absent: none. */
  readonly code?: string;
  /** The verdict of an estimate; absent: not looked at. */
  readonly verdict?: string;
}

/** What of an answer is looked at. */
export interface Answer {
  readonly id?: string;
  readonly code?: string;
  readonly detail?: string;
  readonly storedAnswerOf?: string | null;
  readonly feasibility?: components['schemas']['Feasibility'] | null;
}

export interface Timed {
  readonly ms: number;
  readonly status: number;
  readonly answer: Answer;
}

/** A server, and the hardware type that it is asked about; its own default unless named. */
export interface Target {
  readonly url: string;
  readonly hardwareId: string | undefined;
}

function textOf(body: object | string, { hardwareId }: Target): string {
  if (typeof body === 'string') return body;
  return JSON.stringify({ ...(hardwareId !== undefined && { hardwareId }), ...body });
}

/** Sends a POST and reads its answer to the end. A text is sent as it is. */
export async function post(target: Target, path: string, body?: object | string): Promise<Timed> {
  const start = performance.now();
  const response = await fetch(`${target.url}${path}`, {
    method: 'POST',
    ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: textOf(body, target) }),
  });
  const text = await response.text();
  const ms = performance.now() - start;
  // The fields of every answer's schema that this bench reads; all are optional.
  return { ms, status: response.status, answer: JSON.parse(text) as Answer };
}

/** What is wrong with an answer; undefined: nothing. */
export function faultOf({ status, code, verdict }: Asked, { status: given, answer }: Timed): string | undefined {
  if (given !== status) return `status ${given} instead of ${status}: ${answer.detail ?? ''}`;
  if (code !== undefined && answer.code !== code) return `code ${answer.code} instead of ${code}`;
  const said = answer.feasibility?.verdict;
  return verdict === undefined || said === verdict ? undefined : `verdict ${said} instead of ${verdict}`;
}

/** An event of a specialization's stream, and when it was read. */
export interface StreamEvent {
  readonly name: string;
  readonly atMs: number;
  /** The row; of a `front` event something else. */
  readonly row: Specialization;
}

/** The events of a specialization, until the stream ends. */
export async function* eventsOf({ url }: Target, id: string): AsyncGenerator<StreamEvent> {
  const response = await fetch(`${url}/v1/specializations/${id}/events`);
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    const atMs = performance.now();
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/m.exec(block) ?? [];
      // The contract: data of every event but `front` is the row.
      if (name !== undefined && data !== undefined) yield { name, atMs, row: JSON.parse(data) as Specialization };
    }
  }
}
