import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { formatRecord } from '../../src/sidecar/file.ts';
import { layoutOf, objectPath } from '../../src/store/location.ts';
import { publishFrames, sampleCheckout } from '../helpers/checkout.ts';
import { type StartedCli, startCli } from '../helpers/cli.ts';
import { serveFiles } from '../helpers/file-server.ts';
import { fixedEngine } from '../helpers/fixed-engine.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { type Place, runStorm, STORM_TIMEOUT_MS } from './storm.ts';

const OLD = Array.from({ length: 12 }, () => randomBytes(300_000));
/** Far enough from each other to be asked for one by one. */
const NEW = OLD.map((content, position) =>
  [0, 4, 5, 9].includes(position) ? randomBytes(400_000) : content,
);
const IMAGE_ID = `sha256:${'1'.repeat(64)}`;

interface FetchPlace extends Place {
  /** Of the sidecar on the server, where every place has one of its own. */
  readonly name: string;
}

/** A server with a sidecar, a machine on which every build gives the same image, and its store with an older sidecar. */
async function world() {
  const checkout = await sampleCheckout();
  const engine = await fixedEngine(IMAGE_ID);
  const server = await serveFiles();
  const serve = async (name: string, contents: readonly Buffer[]) => {
    const published = await publishFrames(checkout, contents);
    server.files
      .set(name, published.bytes)
      .set(`${name}.frames`, published.index)
      .set(`${name}.json`, Buffer.from(formatRecord(published.record)));
    return published;
  };
  const start = ({ store, name }: Pick<FetchPlace, 'store' | 'name'>, env: NodeJS.ProcessEnv): StartedCli =>
    startCli(
      [
        ...['fetch', '--context', checkout.dir, '--platform', 'linux/amd64', '--store', store],
        ...['--from', `http://${server.host}${name}`],
      ],
      { HOME: join(store, '..'), ...engine.env, ...env },
    );
  const olderStore = join(await tempDir(), 'store');
  await serve('/old.smolmachine', OLD);
  const first = await start({ store: olderStore, name: '/old.smolmachine' }, { GH_TOKEN: '' }).ended;
  expect(first.exitCode, first.stderr).toBe(0);
  await fs.writeFile(join(checkout.dir, 'agent.txt'), 'a new version\n');
  await checkout.commit();
  const wanted = await serve('/wanted', NEW);
  let count = 0;
  const newPlace = async (tmp: string): Promise<FetchPlace> => {
    count += 1;
    const name = `/${count}.smolmachine`;
    for (const suffix of ['', '.frames', '.json']) {
      server.files.set(name + suffix, server.files.get(`/wanted${suffix}`) ?? Buffer.alloc(0));
    }
    return { tmp, store: join(await tempDir(), 'store'), name };
  };
  const expectFetched = async ({ store }: Place) => {
    const bound = join(store, `${IMAGE_ID.slice(7, 23)}.smolmachine.smolmachine`);
    expect(wanted.bytes.equals(await fs.readFile(bound))).toBe(true);
  };
  return { server, wanted, olderStore, start, newPlace, expectFetched };
}

test(
  'a fetch that is killed at any moment is completed by the next one',
  async () => {
    const { start, newPlace, expectFetched } = await world();
    await runStorm<FetchPlace>('fetch', { place: newPlace, start, afterNext: expectFetched });
  },
  STORM_TIMEOUT_MS,
);

test(
  'an update that is killed at any moment is completed by the next one, which asks for nothing twice',
  async () => {
    const { server, wanted, olderStore, start, newPlace, expectFetched } = await world();
    /** By name: what the server may have sent in the end. */
    const limits = new Map<string, number>();
    let undisturbedBytes: number | undefined;
    await runStorm<FetchPlace>('update', {
      place: async (tmp) => {
        const place = await newPlace(tmp);
        // With its hard links.
        execFileSync('cp', ['--archive', olderStore, place.store]);
        return place;
      },
      start,
      afterKill: async ({ store, name }) => {
        const missing = (await missingBytes(store, wanted.record)) ?? undisturbedBytes ?? 0;
        limits.set(name, server.sentBytes(name) + missing);
      },
      afterNext: async (place) => {
        await expectFetched(place);
        undisturbedBytes ??= server.sentBytes(place.name);
        expect(undisturbedBytes).toBeLessThan(wanted.bytes.length / 2);
        expect(server.sentBytes(place.name)).toBeLessThanOrEqual(limits.get(place.name) ?? undisturbedBytes);
      },
    });
  },
  STORM_TIMEOUT_MS,
);

/** What the next run still needs, by what the store has; undefined where a download has left nothing yet. */
async function missingBytes(store: string, { sidecar }: PackRecord): Promise<number | undefined> {
  const layout = layoutOf(store);
  const isThere = (path: string) =>
    fs.stat(path).then(
      () => true,
      () => false,
    );
  if (await isThere(objectPath(layout, sidecar.sha256))) {
    return 0;
  }
  const [part] = await fs.readdir(layout.parts).catch(() => []);
  const journal = await fs.readFile(join(layout.parts, part ?? '', 'journal'), 'utf8').catch(() => '');
  if (!journal.includes('\n')) {
    return undefined;
  }
  const covered = new Uint8Array(sidecar.sizeBytes);
  for (const line of journal.split('\n').slice(1, -1)) {
    const [start = 0, length = 0] = line.split(' ').map(Number);
    covered.fill(1, start, start + length);
  }
  return sidecar.sizeBytes - covered.reduce((sum, each) => sum + each, 0);
}
