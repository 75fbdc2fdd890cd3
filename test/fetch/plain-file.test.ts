import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { fileSource, urlSource } from '../../src/fetch/plain-file.ts';
import type { Offer, RemoteFile } from '../../src/fetch/source.ts';
import { HttpClient } from '../../src/remote/http.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { bytesOf, recordOf, recordText, SIDECAR, sha256, WANTED } from './published.ts';

describe('a sidecar on any server', () => {
  let origin: string;
  let files: Record<string, Buffer | string>;
  let requests: IncomingMessage[];
  let missing: number;
  let http: HttpClient;

  beforeEach(async () => {
    requests = [];
    missing = 404;
    files = { '/a.smolmachine': SIDECAR, '/a.smolmachine.json': recordText(SIDECAR) };
    const server = createServer((request, response) => {
      requests.push(request);
      const content = files[request.url?.replace(/\?.*/, '') ?? ''];
      response.writeHead(content === undefined ? missing : 200).end(content);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    http = new HttpClient({ signal: new AbortController().signal, firstRetryMs: 1 });
    onTestFinished(() => {
      http.close();
      server.close();
    });
  });

  it('has its record beside it, under the same query', async () => {
    const address = `${origin}/a.smolmachine?sig=secret`;
    const source = urlSource(address, { http });
    const found = (await source.find(WANTED)) as Offer & { content: RemoteFile };
    expect(found).toMatchObject({ record: recordOf(SIDECAR), address });
    expect(found.content).toMatchObject({ sha256: sha256(SIDECAR), sizeBytes: SIDECAR.length });
    expect((await bytesOf(found.content)).bytes).toEqual(SIDECAR);
    expect(requests.map(({ url }) => url)).toEqual([
      '/a.smolmachine.json?sig=secret',
      '/a.smolmachine?sig=secret',
    ]);
    expect(source.name).toBe(`${origin}/a.smolmachine?…`);
  });

  it('has its frame index beside it, of no more than the bytes that are promised', async () => {
    files['/a.smolmachine.frames'] = 'index';
    const { frameIndex } = (await urlSource(`${origin}/a.smolmachine?sig=x`, { http }).find(WANTED)) as Offer;
    expect(String(await frameIndex(5))).toBe('index');
    expect(requests.at(-1)?.url).toBe('/a.smolmachine.frames?sig=x');
    expect(await failureOf(frameIndex(4))).toMatchObject({ code: 'sidecar-damaged' });
  });

  it('is not found without its record', async () => {
    delete files['/a.smolmachine.json'];
    const error = await failureOf(urlSource(`${origin}/a.smolmachine?sig=secret`, { http }).find(WANTED));
    expect(error.code).toBe('not-found');
    expect(error.message).toContain('/a.smolmachine.json?…');
    expect(`${error.stack}`).not.toContain('secret');
  });

  it('has no signature, or one that is kept from us, which is said as that', async () => {
    const { bundles } = (await urlSource(`${origin}/a.smolmachine`, { http }).find(WANTED)) as Offer;
    expect(await bundles()).toEqual([]);
    missing = 403;
    expect(await failureOf(bundles())).toMatchObject({
      code: 'authentication',
      message: `the signature of the sidecar cannot be read: ${origin}/a.smolmachine.sigstore.json answered 403`,
      hint: expect.stringContaining('--provenance off'),
    });
  });

  it('is damaged when the record is not valid', async () => {
    files['/a.smolmachine.json'] = '<html>';
    const error = await failureOf(urlSource(`${origin}/a.smolmachine?sig=secret`, { http }).find(WANTED));
    expect(error.code).toBe('sidecar-damaged');
    expect(`${error.stack}`).not.toContain('secret');
  });

  it.each(['http://example.com/a', 'https://user:password@example.com/a', 'https:///'])(
    'is not asked for at %s',
    async (address) => {
      const error = await failureOf((async () => urlSource(address, { http }))());
      expect(error.code).toBe('usage');
      expect(error.message).not.toContain('password');
    },
  );
});

describe('a sidecar on this machine', () => {
  let path: string;

  beforeEach(async () => {
    path = join(await tempDir(), 'a.smolmachine');
    await fs.writeFile(path, SIDECAR);
    await fs.writeFile(`${path}.json`, recordText(SIDECAR));
  });

  it('has its record beside it', async () => {
    const offer = {
      record: recordOf(SIDECAR),
      content: { kind: 'local', path, sizeBytes: SIDECAR.length, sha256: sha256(SIDECAR) },
      address: `file:${path}`,
    };
    expect(await fileSource(path).find(WANTED)).toMatchObject(offer);
    expect(await fileSource(relative(process.cwd(), path)).find(WANTED)).toMatchObject(offer);
  });

  it('is refused when its size is not that of its record', async () => {
    await fs.truncate(path, 10);
    expect(await failureOf(find())).toMatchObject({ code: 'sidecar-damaged' });
  });

  it('has its frame index beside it', async () => {
    await fs.writeFile(`${path}.frames`, 'index');
    const { frameIndex } = (await find()) as Offer;
    expect(String(await frameIndex(5))).toBe('index');
    await expect(frameIndex(4)).rejects.toThrow('more than 4 bytes');
  });

  it('is not found when it or its record is missing', async () => {
    await fs.rm(path);
    expect(await failureOf(find())).toMatchObject({ code: 'not-found', message: `there is no file ${path}` });
    await fs.rm(`${path}.json`);
    expect((await failureOf(find())).message).toBe(`there is no file ${path}.json`);
  });

  it.each([
    ['a directory', () => fs.mkdir(`${path}.json`), /not a regular file of at most 1048576 bytes/],
    ['a pipe', async () => execFileSync('mkfifo', [`${path}.json`]), /not a regular file of at most/],
    [
      'too large',
      () => fs.writeFile(`${path}.json`, Buffer.alloc((1 << 20) + 1, ' ')),
      /not a regular file of at most/,
    ],
    ['not JSON', () => fs.writeFile(`${path}.json`, 'x'), /it is not JSON/],
  ])('is damaged when its record is %s', async (_, spoil, message) => {
    await fs.rm(`${path}.json`);
    await spoil();
    expect(await failureOf(find())).toMatchObject({
      code: 'sidecar-damaged',
      message: expect.stringMatching(message),
    });
  });

  async function find() {
    return await fileSource(path).find(WANTED);
  }
});
