import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { framedSidecar } from '../helpers/framed-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { FaultServer } from '../servers/fault-server.ts';

const CHILD = join(import.meta.dirname, 'update-child.ts');
const MOMENTS = 25;
const TIMEOUT_MS = 15 * 60_000;

test(
  `an update that is killed at any of ${MOMENTS} moments is completed by the next run, which asks for nothing twice`,
  async () => {
    const old = Array.from({ length: 12 }, () => randomBytes(300_000));
    // Far enough from each other to be asked for one by one.
    const contents = old.map((content, position) =>
      [0, 4, 5, 9].includes(position) ? randomBytes(400_000) : content,
    );
    const wanted = await framedSidecar(contents);
    const server = await FaultServer.start(wanted.bytes);
    const place = await tempDir();
    const base = join(place, 'base');
    const index = join(place, 'index');
    await fs.writeFile(base, (await framedSidecar(old)).bytes);
    await fs.writeFile(index, wanted.index);
    const sha256 = createHash('sha256').update(wanted.bytes).digest('hex');
    const update = async (dir: string, killAt = 0) => {
      server.requests.length = 0;
      const args = [CHILD, server.url, dir, wanted.bytes.length, sha256, base, index, killAt].map(String);
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const [output, [exitCode, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
      return { calls: Number(output), exitCode, signal, sentBytes: server.bytesSent };
    };

    const { calls, exitCode, sentBytes: updateBytes } = await update(await tempDir());
    expect(exitCode).toBe(0);
    expect(updateBytes).toBeLessThan(wanted.bytes.length / 2);
    for (let moment = 0; moment < MOMENTS; moment += 1) {
      const dir = await tempDir();
      // How the bytes arrive decides how often they are written, so that the last calls may not come.
      const killAt = 1 + Math.floor((moment * calls * 0.75) / MOMENTS);
      expect(await update(dir, killAt)).toMatchObject({ signal: 'SIGKILL' });
      const missing = await missingBytes(dir, wanted.bytes.length);
      expect(await update(dir)).toMatchObject({ exitCode: 0, sentBytes: missing ?? updateBytes });
      expect(wanted.bytes.equals(await fs.readFile(join(dir, 'data')))).toBe(true);
    }
  },
  TIMEOUT_MS,
);

/** By the journal; undefined where it has nothing yet. */
async function missingBytes(dir: string, sizeBytes: number): Promise<number | undefined> {
  const journal = await fs.readFile(join(dir, 'journal'), 'utf8').catch(() => '');
  const lines = journal.split('\n').slice(1, -1);
  const covered = new Uint8Array(sizeBytes);
  for (const line of lines) {
    const [start = 0, length = 0] = line.split(' ').map(Number);
    covered.fill(1, start, start + length);
  }
  return journal.includes('\n') ? sizeBytes - covered.reduce((sum, each) => sum + each, 0) : undefined;
}
