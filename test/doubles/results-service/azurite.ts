import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  ACCOUNT,
  API_VERSION,
  type BlobAnswer,
  type BlobRequest,
  type BlobStore,
  CONTAINER,
  sha256Of,
  signBlob,
} from './blob-store.ts';

/** Where scripts/test-bed.ts puts it. */
export const AZURITE_DIR = join(
  import.meta.dirname,
  '../../../node_modules/.cache/claude-bottle-pack/azurite',
);
const AZURITE_BIN = join(AZURITE_DIR, 'node_modules/.bin/azurite-blob');
/** Microsoft publishes it as the key of the emulator's one account. */
const KEY = Buffer.from(
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
  'base64',
);
const START_TIMEOUT_MS = 30_000;

export interface AzuriteServer {
  /** Such as `http://127.0.0.1:41234`. */
  readonly url: string;
  close(): Promise<void>;
}

export function isAzuriteInstalled(): boolean {
  return existsSync(AZURITE_BIN);
}

/** Microsoft's emulator of Azure Storage, with its files in `dir`. */
export async function startAzurite(dir: string): Promise<AzuriteServer> {
  const args = [
    AZURITE_BIN,
    '--blobHost',
    '127.0.0.1',
    '--blobPort',
    '0',
    '--location',
    dir,
    '--silent',
    '--disableTelemetry',
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const close = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('azurite does not start')), START_TIMEOUT_MS);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`azurite ended with exit code ${code}`)));
    createInterface(child.stdout).on('line', (line) => {
      const [found] = /http:\/\/127\.0\.0\.1:\d+/.exec(line) ?? [];
      if (found !== undefined) {
        clearTimeout(timer);
        resolve(found);
      }
    });
  }).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  await createContainer(url);
  return { url, close };
}

async function createContainer(url: string): Promise<void> {
  const query = new URLSearchParams({
    sv: API_VERSION,
    ss: 'b',
    srt: 'c',
    sp: 'c',
    se: new Date(Date.now() + 60_000).toISOString().replace(/\.\d+/, ''),
  });
  const get = (name: string) => query.get(name) ?? '';
  // Account SAS: account, permissions, services, resource types, start, expiry, IP, protocol, version, scope.
  const text = `${[ACCOUNT, get('sp'), get('ss'), get('srt'), '', get('se'), '', '', get('sv'), ''].join('\n')}\n`;
  query.set('sig', createHmac('sha256', KEY).update(text).digest('base64'));
  const target = `${url}/${ACCOUNT}/${CONTAINER}?restype=container&${query}`;
  const response = await fetch(target, { method: 'PUT' });
  if (response.status !== 201) {
    throw new Error(`azurite does not make a container: ${response.status} ${await response.text()}`);
  }
}

/** Requests go through this process, so that faults hit them and they are seen; their signatures are Azurite's to check. */
export function azuriteBlobStore({ url }: AzuriteServer): BlobStore {
  const serve = async (request: BlobRequest): Promise<BlobAnswer> => {
    const target = new URL(`${request.url.pathname}${request.url.search}`, url);
    const headers = { ...request.headers, host: target.host };
    const forwarded = httpRequest(target, { method: request.method, headers, agent: false });
    const answered = new Promise<BlobAnswer>((resolve, reject) => {
      forwarded.once('error', reject);
      forwarded.once('response', (response) =>
        resolve({ status: response.statusCode ?? 502, headers: response.headers, body: response }),
      );
    });
    const [answer] = await Promise.all([answered, pipeline(Readable.from(request.body), forwarded)]);
    return answer;
  };
  const sign: BlobStore['sign'] = (blob, permissions, as) => signBlob(KEY, blob, permissions, as);
  const get = async (blob: string) => await fetch(`${url}${sign(blob, 'r')}`);
  return {
    sign,
    serve,
    inspect: async (blob) => {
      const { ok, body } = await get(blob);
      return ok && body !== null ? await sha256Of(Readable.fromWeb(body)) : undefined;
    },
    read: async (blob) => Buffer.from(await (await get(blob)).arrayBuffer()),
    overwrite: async (blob, content) => {
      const response = await fetch(`${url}${sign(blob, 'cw')}`, {
        method: 'PUT',
        headers: { 'x-ms-blob-type': 'BlockBlob' },
        body: new Uint8Array(content),
      });
      if (response.status !== 201) {
        throw new Error(`azurite does not overwrite ${blob}: ${response.status}`);
      }
    },
    path: () => '',
  };
}
