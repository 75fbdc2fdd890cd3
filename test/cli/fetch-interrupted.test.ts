import { hash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { formatRecord } from '../../src/sidecar/file.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { sampleCheckout } from '../helpers/checkout.ts';
import { type StartedCli, startCli } from '../helpers/cli.ts';
import { SAMPLE_CONFIG_DIGEST, writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';

/** What is sent between two pauses. */
const CHUNKS = 250;
/** What the sockets of four connections can hold between a server and a client that is killed. */
const IN_FLIGHT_BYTES = 32 * 1024 * 1024;

interface Slow {
  readonly url: string;
  /** Bytes of the sidecar that went out. */
  sentBytes: number;
  /** Answers that began with its first byte; a second connection begins further on. */
  begun: number;
}

/** A web server with ranges and a strong ETag, that takes its time. */
async function serveSlowly(sidecar: Buffer, record: PackRecord, pauseMs: number): Promise<Slow> {
  const server = createServer((request, response) => {
    if (request.url?.endsWith('.json')) {
      const isRecord = request.url.endsWith('.smolmachine.json');
      response.writeHead(isRecord ? 200 : 404).end(isRecord ? formatRecord(record) : '');
      return;
    }
    const [, start = '0', end = ''] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const from = Number(start);
    slow.begun += from === 0 ? 1 : 0;
    const to = end === '' ? sidecar.length : Number(end) + 1;
    response.writeHead(request.headers.range ? 206 : 200, {
      etag: '"one"',
      'accept-ranges': 'bytes',
      'content-length': to - from,
      ...(request.headers.range && { 'content-range': `bytes ${from}-${to - 1}/${sidecar.length}` }),
    });
    const body = async function* () {
      const chunkBytes = Math.ceil(sidecar.length / CHUNKS);
      for (let position = from; position < to; position += chunkBytes) {
        await sleep(pauseMs);
        const chunk = sidecar.subarray(position, Math.min(position + chunkBytes, to));
        slow.sentBytes += chunk.length;
        yield chunk;
      }
    };
    Readable.from(body())
      .on('error', () => {})
      .pipe(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const slow: Slow = { url: `http://127.0.0.1:${port}/a.smolmachine`, sentBytes: 0, begun: 0 };
  return slow;
}

async function world(sizeBytes: number, pauseMs: number) {
  const checkout = await sampleCheckout();
  const home = await tempDir();
  const store = join(home, 'store');
  const path = join(await tempDir(), 'a.smolmachine');
  const { layerDigest } = await writeSample(path, ({ members }) => ({
    members: members.map((member) =>
      member.path === 'agent-rootfs.tar' ? { ...member, source: randomBytes(sizeBytes) } : member,
    ),
  }));
  const { sha256, sizeBytes: fileBytes, crc32 } = await verifySidecar(path);
  const record: PackRecord = {
    version: 1,
    platform: 'linux/amd64',
    image: { id: `sha256:${'1'.repeat(64)}`, layers: [], runtimeConfigSha256: '0'.repeat(64) },
    flattened: { configDigest: SAMPLE_CONFIG_DIGEST, layerDigest, layerSizeBytes: 1 },
    sidecar: { sha256, sizeBytes: fileBytes, crc32 },
    smolvm: { version: '1.9.3' },
    hop: 'embedded',
    packedAt: '2026-11-23T00:00:00.000Z',
    inputs: await checkout.inputs(),
  };
  const sidecar = await fs.readFile(path);
  const server = await serveSlowly(sidecar, record, pauseMs);
  const start = (...args: string[]): StartedCli =>
    startCli(
      [
        ...['fetch', '--context', checkout.dir, '--platform', 'linux/amd64', '--store', store],
        ...['--from', server.url, '--no-bind', '--json', ...args],
      ],
      { HOME: home },
    );
  return {
    sidecar,
    server,
    start,
    name: join(store, '.pack/objects/sha256', hash('sha256', sidecar)),
  };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    await sleep(5);
  }
}

test('killed at 60 %, the next run asks for no more than the rest', async () => {
  const { server, sidecar, start, name } = await world(100_000_000, 8);
  const first = start();
  await until(() => server.sentBytes > 0.6 * sidecar.length);
  first.process.kill('SIGKILL');
  await first.ended;
  const { sentBytes } = server;
  server.sentBytes = 0;
  const second = await start().ended;
  expect(second.exitCode, second.stderr).toBe(0);
  expect(server.sentBytes).toBeLessThan(sidecar.length - sentBytes + IN_FLIGHT_BYTES);
  expect(sidecar.equals(await fs.readFile(name))).toBe(true);
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s ends with %i, and the next run goes on where it ended', async (signal, exitCode) => {
  const { server, sidecar, start, name } = await world(8_000_000, 5);
  const first = start();
  await until(() => server.sentBytes > 0.5 * sidecar.length);
  first.process.kill(signal);
  const { stderr, ...ended } = await first.ended;
  expect(ended.exitCode).toBe(exitCode);
  const stopped = signal === 'SIGINT' ? 'Interrupted' : `Stopped by ${signal}`;
  expect(stderr).toMatch(
    new RegExp(`\n! ${stopped}\\. \\S+ .B of \\S+ .B are kept; run it again to resume\\.\n$`),
  );
  await expect(fs.stat(name)).rejects.toThrow(/ENOENT/);
  server.sentBytes = 0;
  expect(await start().ended).toMatchObject({
    exitCode: 0,
    stderr: expect.stringMatching(/^ {2}Resuming at \S+ .B of \S+ .B\.$/m),
  });
  expect(server.sentBytes).toBeLessThan(0.55 * sidecar.length);
});

test('twelve processes make one download, though half of them are killed', async () => {
  const { server, sidecar, start, name } = await world(3_000_000, 20);
  const waiting = new Set<StartedCli>();
  const started = Array.from({ length: 12 }, () => {
    const each = start();
    each.process.stderr?.on('data', (text) => {
      if (String(text).includes('waiting')) {
        waiting.add(each);
      }
    });
    return each;
  });
  // The process that downloads has to live on, because the others wait for it.
  await until(() => waiting.size >= 6);
  const killed = new Set([...waiting].slice(0, 6));
  for (const { process } of killed) {
    process.kill('SIGKILL');
  }
  for (const each of started) {
    const { exitCode, stderr } = await each.ended;
    expect(exitCode, stderr).toBe(killed.has(each) ? null : 0);
  }
  expect(server.begun).toBe(1);
  expect(sidecar.equals(await fs.readFile(name))).toBe(true);
}, 120_000);
