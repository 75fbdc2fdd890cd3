import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { InterruptedError } from '../../src/errors.ts';
import { copySpan } from '../../src/fetch/file-span.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';

test('a copy that is stopped in the middle leaves nothing', async () => {
  const dir = await tempDir();
  const path = join(dir, 'source');
  const sizeBytes = 20_000_000;
  await fs.writeFile(path, Buffer.alloc(sizeBytes));
  const stop = new AbortController();
  let doneBytes = 0;
  const copying = copySpan(path, { offset: 0, sizeBytes }, join(dir, 'target'), {
    signal: stop.signal,
    onBytes: (bytes) => {
      doneBytes = bytes;
      stop.abort(new InterruptedError('SIGINT'));
    },
  });
  await expect(copying).rejects.toThrow(InterruptedError);
  expect(doneBytes).toBeLessThan(sizeBytes);
  expect(await fs.readdir(dir)).toEqual(['source']);
});

test('a file that is there already stays', async () => {
  const dir = await tempDir();
  const [path, target] = [join(dir, 'source'), join(dir, 'target')];
  await fs.writeFile(path, 'new');
  await fs.writeFile(target, 'old');
  const { signal } = new AbortController();
  const error = await failureOf(
    copySpan(path, { offset: 0, sizeBytes: 3 }, target, { signal, onBytes: () => {} }),
  );
  expect(error.message).toContain(path);
  expect(await fs.readFile(target, 'utf8')).toBe('old');
});
