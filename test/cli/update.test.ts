import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { formatRecord } from '../../src/sidecar/file.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { runCli } from '../helpers/cli.ts';
import { framedSidecar } from '../helpers/framed-sidecar.ts';
import { startServer } from '../helpers/loopback-server.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const CONTENTS = Array.from({ length: 20 }, () => randomBytes(60_000));
const SMALL_CHANGE_BYTES = 200_000;

test("frames are copied from a repository's own sidecars, and never from those of another repository", async () => {
  const { publish, fetch } = await startBed();
  const theirs = await publish('mallory/tools', 0);
  expect(await fetch(theirs)).toBe(theirs.sizeBytes);
  const first = await publish('acme/tools', 1);
  expect(await fetch(first), 'all of the first one of acme/tools').toBe(first.sizeBytes);
  const second = await publish('acme/tools', 2);
  expect(await fetch(second), 'what has changed').toBeLessThan(SMALL_CHANGE_BYTES);
});

interface Published {
  readonly repository: string;
  readonly url: string;
  readonly sizeBytes: number;
}

/** A server with sidecars that have all but one frame in common, and a store. */
async function startBed() {
  const home = await tempDir();
  const checkout = await sampleCheckout();
  const files = new Map<string, Buffer>();
  let sentBytes = 0;
  const server = await startServer(({ url = '', headers }, response) => {
    const bytes = files.get(url);
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    if (bytes === undefined || start === undefined || end === undefined) {
      sentBytes += url.endsWith('.smolmachine') ? (bytes?.length ?? 0) : 0;
      response
        .writeHead(bytes === undefined ? 404 : 200, { etag: `"${url}"`, 'accept-ranges': 'bytes' })
        .end(bytes);
      return;
    }
    const range = bytes.subarray(Number(start), Number(end) + 1);
    sentBytes += range.length;
    const contentRange = `bytes ${start}-${Number(start) + range.length - 1}/${bytes.length}`;
    response.writeHead(206, { etag: `"${url}"`, 'content-range': contentRange }).end(range);
  });
  const publish = async (repository: string, version: number): Promise<Published> => {
    await fs.writeFile(join(checkout.dir, 'agent.txt'), `version ${version}\n`);
    await checkout.commit();
    const { bytes, index } = await framedSidecar(CONTENTS.with(version, randomBytes(60_000)));
    const path = join(await tempDir(), 'sidecar');
    await fs.writeFile(path, bytes);
    const { sha256, sizeBytes, crc32 } = await verifySidecar(path);
    const { record } = await publishFile(checkout, 'linux/amd64');
    const published: PackRecord = {
      ...record,
      ...(record.source && { source: { ...record.source, repository } }),
      sidecar: { sha256, sizeBytes, crc32 },
      frames: { sha256: createHash('sha256').update(index).digest('hex'), sizeBytes: index.length },
    };
    const name = `/${version}.smolmachine`;
    files
      .set(name, bytes)
      .set(`${name}.frames`, index)
      .set(`${name}.json`, Buffer.from(formatRecord(published)));
    return { repository, url: `http://${server.host}${name}`, sizeBytes };
  };
  /** @returns how many bytes of the sidecar the server has sent */
  const fetch = async ({ repository, url }: Published): Promise<number> => {
    sentBytes = 0;
    const args = ['--context', checkout.dir, '--repo', repository, '--from', url, '--no-bind'];
    const result = await runCli(['fetch', ...args], { HOME: home, GH_TOKEN: '', GITHUB_TOKEN: '' });
    expect(result.exitCode, result.stderr).toBe(0);
    return sentBytes;
  };
  return { publish, fetch };
}
