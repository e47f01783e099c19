import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BespokeError } from '../common/errors.js';
import type { ArtifactInfo } from '../specialize/types.js';
import { type Call, type Handler, hasTag } from './call.js';
import type { ApiDeps } from './ports.js';

/** First and last byte, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a `Range` header (RFC 9110, 14.2).
 * @param size bytes of the whole, at least 1
 * @returns the range; undefined: the whole is to be sent (no single range of bytes); `unsatisfiable`: it lies beyond the end
 */
export function readRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(header ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (first === '' && last === '') return undefined;
  if (first === '') return suffix(Number(last), size);
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < start) return undefined; // not a range at all: the header is ignored
  return start >= size ? 'unsatisfiable' : { start, end };
}

function suffix(length: number, size: number): ByteRange | 'unsatisfiable' {
  return length === 0 ? 'unsatisfiable' : { start: Math.max(0, size - length), end: size - 1 };
}

function setHeaders({ res }: Call, info: ArtifactInfo): void {
  const digest = Buffer.from(info.sha256, 'hex').toString('base64');
  res.set({
    ETag: `"${info.sha256}"`,
    'Repr-Digest': `sha-256=:${digest}:`,
    'Accept-Ranges': 'bytes',
    'Content-Disposition': `attachment; filename="${info.sha256.slice(0, 16)}.onnx"`,
    'Cache-Control': 'public, max-age=31536000, immutable',
    'Content-Type': 'application/octet-stream',
  });
}

/** Reads the first chunk before anything is sent, so that a store that fails at once still gives a problem. */
async function sendBytes({ res, signal }: Call, source: AsyncIterable<Uint8Array>): Promise<void> {
  const chunks = source[Symbol.asyncIterator]();
  const first = await chunks.next();
  const all = async function* (): AsyncGenerator<Uint8Array> {
    try {
      for (let next = first; next.done !== true; next = await chunks.next()) yield next.value;
    } finally {
      await chunks.return?.();
    }
  };
  try {
    await pipeline(Readable.from(all()), res);
  } catch (error) {
    if (!signal.aborted) throw error; // a client that left is no failure
  }
}

/** GET and HEAD /v1/models/{sha256}.onnx */
export function makeModel({ artifacts }: Pick<ApiDeps, 'artifacts'>): Handler {
  return async (call) => {
    const { req, res } = call;
    const sha = String(call.path.sha256);
    const info = await artifacts.info(sha);
    if (info === undefined) throw new BespokeError('not-found', `There is no model with the sha256 ${sha}.`);
    const ifRange = req.get('If-Range');
    const isSame = ifRange === undefined || ifRange === `"${sha}"`;
    const range = isSame && req.method === 'GET' ? readRange(req.get('Range'), info.bytes) : undefined;
    if (range === 'unsatisfiable') {
      res.set('Content-Range', `bytes */${info.bytes}`);
      throw new BespokeError('range-not-satisfiable', `Range ${req.get('Range')} lies beyond the ${info.bytes} bytes.`);
    }
    setHeaders(call, info);
    if (hasTag(req, `"${sha}"`)) {
      res.removeHeader('Content-Type');
      res.status(304).end();
      return;
    }
    const { start, end } = range ?? { start: 0, end: info.bytes - 1 };
    if (range !== undefined) res.status(206).set('Content-Range', `bytes ${start}-${end}/${info.bytes}`);
    res.set('Content-Length', String(end - start + 1));
    if (req.method === 'HEAD') res.end();
    else await sendBytes(call, artifacts.read(sha, start, end));
  };
}
