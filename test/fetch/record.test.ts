import { expect, test } from 'vitest';
import { parseRecord } from '../../src/fetch/record.ts';
import { recordSha256 } from '../../src/trust/record-digest.ts';
import { recordOf } from './published.ts';

const RECORD = recordOf(Buffer.from('a sidecar'), { runId: 1 });

test('a record keeps what a later version has added, or its signature would be for another one', () => {
  const later = { ...RECORD, source: { ...RECORD.source, workflow: 'pack.yml' }, mood: 'fine' };
  const text = JSON.stringify(later, undefined, 4);
  expect(parseRecord(text, 'x')).toEqual(later);
  expect(recordSha256(parseRecord(text, 'x'))).not.toBe(recordSha256(RECORD));
});

test.each([
  ['smolvm.version', { smolvm: { version: '1.9.3\u001b[2J' } }],
  ['source.repository', { source: { ...RECORD.source, repository: '\u001b[2Jacme/tools' } }],
  ['source.runId', { source: { ...RECORD.source, runId: '1e9' } }],
])('a record with a %s that could steer a terminal, or is not a number, is not valid', (field, change) => {
  expect(() => parseRecord(JSON.stringify({ ...RECORD, ...change }), 'x')).toThrow(
    `is not a valid pack record: field ${field} is invalid`,
  );
});
