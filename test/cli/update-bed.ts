import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { formatRecord } from '../../src/sidecar/file.ts';
import { publishFrames, sampleCheckout } from '../helpers/checkout.ts';
import { type CliResult, runCli } from '../helpers/cli.ts';
import { startServer } from '../helpers/loopback-server.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const FRAMES = 20;
const FRAME_BYTES = 60_000;

export interface Published {
  readonly repository: string;
  readonly url: string;
  readonly bytes: Buffer;
  readonly index: Buffer;
  readonly sha256: string;
}

/** What the server does with a request for a range of a sidecar instead of answering it. */
export type RangeFault = 'whole' | 'refused' | 'shifted' | 'flipped';

export interface UpdateBed {
  readonly store: string;
  /** The object of a sidecar in the store. */
  objectOf(published: Published): string;
  /** A sidecar that has all but these frames in common with those before it. */
  publish(repository: string, changed: readonly number[]): Promise<Published>;
  /** Also says how many bytes of the sidecar the server has sent. */
  fetch(published: Published): Promise<CliResult & { readonly sentBytes: number }>;
  /** Replaced by tests: other bytes for the frame index, and a fault for each range. */
  indexOf: (published: Published) => Buffer;
  rangeFault: () => RangeFault | undefined;
  /** Heard before each answer. */
  onRequest: (url: string) => unknown;
}

/** A server with sidecars that have most frames in common, and a store. */
export async function updateBed(): Promise<UpdateBed> {
  const home = await tempDir();
  const store = join(home, 'store');
  const checkout = await sampleCheckout();
  const contents = Array.from({ length: FRAMES }, () => randomBytes(FRAME_BYTES));
  const files = new Map<string, { readonly published: Published; readonly record: string }>();
  let sentBytes = 0;
  let version = 0;
  const send = (response: ServerResponse, bytes: Buffer) => {
    sentBytes += bytes.length;
    response.end(bytes);
  };
  const answer = async (url: string, { range }: IncomingHttpHeaders, response: ServerResponse) => {
    await bed.onRequest(url);
    const [, name = '', suffix] = /^(\/\d+\.smolmachine)(.*)$/.exec(url) ?? [];
    const file = files.get(name);
    if (file === undefined || !['', '.json', '.frames'].includes(suffix ?? '-')) {
      response.writeHead(404).end();
      return;
    }
    const { published, record } = file;
    if (suffix !== '') {
      response.end(suffix === '.json' ? record : bed.indexOf(published));
      return;
    }
    const { bytes } = published;
    const etag = `"${name}"`;
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
    const fault = first === undefined ? undefined : bed.rangeFault();
    if (first === undefined || fault === 'whole') {
      response.writeHead(200, { etag, 'content-length': bytes.length });
      send(response, bytes);
      return;
    }
    if (fault === 'refused') {
      response.writeHead(416).end();
      return;
    }
    const [start, end] = [Number(first), Number(last) + 1];
    const shift = fault === 'shifted' ? 1 : 0;
    const part = Buffer.from(bytes.subarray(start - shift, end - shift));
    if (fault === 'flipped') {
      part[part.length >> 1] = (part[part.length >> 1] ?? 0) ^ 1;
    }
    response.writeHead(206, {
      etag,
      'content-length': part.length,
      'content-range': `bytes ${start}-${end - 1}/${bytes.length}`,
    });
    send(response, part);
  };
  const { host } = await startServer(
    ({ url = '', headers }, response) => void answer(url, headers, response),
  );
  const bed: UpdateBed = {
    store,
    objectOf: ({ sha256 }) => join(store, '.pack/objects/sha256', sha256),
    publish: async (repository, changed) => {
      version += 1;
      await fs.writeFile(join(checkout.dir, 'agent.txt'), `version ${version}\n`);
      await checkout.commit();
      for (const position of changed) {
        contents[position] = randomBytes(FRAME_BYTES);
      }
      const { bytes, index, record } = await publishFrames(checkout, contents);
      const ofRepository: PackRecord = {
        ...record,
        ...(record.source && { source: { ...record.source, repository } }),
      };
      const name = `/${version}.smolmachine`;
      const published = {
        repository,
        url: `http://${host}${name}`,
        bytes,
        index,
        sha256: record.sidecar.sha256,
      };
      files.set(name, { published, record: formatRecord(ofRepository) });
      return published;
    },
    fetch: async ({ repository, url }) => {
      sentBytes = 0;
      const args = ['--context', checkout.dir, '--repo', repository, '--from', url, '--no-bind'];
      const env = { HOME: home, CLAUDE_BOTTLE_STORE: store, GH_TOKEN: '', GITHUB_TOKEN: '' };
      return { ...(await runCli(['fetch', ...args], env)), sentBytes };
    },
    indexOf: ({ index }) => index,
    rangeFault: () => undefined,
    onRequest: () => {},
  };
  return bed;
}
