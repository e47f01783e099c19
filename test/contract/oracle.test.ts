import { expect, test } from 'vitest';
import { answerErrors, OPERATIONS } from './contract-oracle.js';
import type { Answer } from './harness.js';

const operation = OPERATIONS.find(({ id }) => id === 'readyz');
const model = OPERATIONS.find(({ id }) => id === 'getModel');
const READY = { ready: true, database: true, queue: true, supernet: true };

function answer(changes: Partial<Answer>, body: unknown = READY): Answer {
  const text = JSON.stringify(body);
  const headers = { 'x-request-id': 'r', 'content-type': 'application/json' };
  return { method: 'GET', status: 200, headers, bytes: Buffer.from(text), text, ...changes };
}

test('an answer as documented has no errors', () => {
  expect(answerErrors(operation, answer({}))).toEqual([]);
});

test.each([
  ['an undocumented status', answer({ status: 201 })],
  ['an undocumented member', answer({}, { ...READY, extra: 1 })],
  ['a missing member', answer({}, { ready: true })],
  ['a member of another type', answer({}, { ...READY, queue: 'yes' })],
  ['another media type', answer({ headers: { 'x-request-id': 'r', 'content-type': 'text/html' } })],
  ['no request id', answer({ headers: { 'content-type': 'application/json' } })],
  ['a 400 that is no problem', answer({ status: 400 })],
  ['a 500 of any form', answer({ status: 500 })],
])('%s is an error', (_, wrong) => {
  expect(answerErrors(operation, wrong)).not.toEqual([]);
});

test('a model without its hash is an error', () => {
  const headers = { 'x-request-id': 'r', 'content-type': 'application/octet-stream', etag: '"x"' };
  expect(answerErrors(model, answer({ headers }))).toContain('the header Repr-Digest is missing');
});

test("a problem whose status or request id is not the answer's is an error", () => {
  const headers = { 'x-request-id': 'r', 'content-type': 'application/problem+json' };
  const problem = {
    type: '/errors/not-found',
    title: 't',
    status: 400,
    code: 'not-found',
    detail: 'd',
    requestId: 'other',
  };
  expect(answerErrors(undefined, answer({ status: 404, headers }, problem))).toHaveLength(2);
});
