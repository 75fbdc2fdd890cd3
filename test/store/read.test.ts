import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { id16 } from '../../src/identity/image-id.ts';
import { parseInputsKey } from '../../src/identity/inputs-key.ts';
import type { Origin } from '../../src/identity/origin.ts';
import { findPath } from '../../src/store/by-key.ts';
import { bindName } from '../../src/store/name.ts';
import { contentsOf, findHits, listSidecars, verifyStored } from '../../src/store/read.ts';
import type { Store } from '../../src/store/store.ts';
import { remember } from '../../src/trust/trust-memory.ts';
import { writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import {
  bytesWithAFlip,
  emptyStore,
  fetchAgain,
  fetchSample,
  imageId,
  installSample,
  KEY,
  watchedStore,
} from './sample-store.ts';

const CI = imageId('c1');
const LOCAL = imageId('10ca1');
const ACME = { kind: 'repository', serverUrl: 'https://github.com', repository: 'acme/tools' } as const;
const BUILD = { key: KEY, platform: 'linux/amd64' } as const;

async function hashesFor(store: Store, origin: Origin): Promise<string[]> {
  const hits = await findHits(store, BUILD, { origin });
  const best = await findPath(store.layout, BUILD, { origin });
  expect(best?.path, 'the fast lookup says the same').toBe(hits[0]?.path);
  return hits.map(({ sha256 }) => sha256);
}

/** From now on the repository is known to sign. */
async function rememberSigner(store: Store): Promise<void> {
  const identity = {
    repositoryId: '1',
    ownerId: '2',
    ref: 'refs/heads/main',
    runUri: 'https://github.com/acme/tools/actions/runs/1/attempts/1',
  };
  await remember(
    { layout: store.layout, origin: ACME },
    identity as Parameters<typeof remember>[1],
    undefined,
  );
}

test('a lookup finds signed sidecars first, then those that were packed here, then the rest, the newest first', async () => {
  const store = await emptyStore();
  expect(await hashesFor(store, ACME), 'no store yet').toEqual([]);
  const packedAt = '2099-01-01T00:00:00.000Z';
  const older = await fetchSample(store, ACME, { id: CI, created: 'older', packedAt });
  const newer = await fetchSample(store, ACME, { id: CI, created: 'newer' });
  const here = await installSample(store, { id: LOCAL, created: 'here' });
  const signed = await fetchSample(store, ACME, { id: CI, created: 'signed', signer: 'acme' });
  await fetchSample(store, ACME, { id: CI, created: 'other key', key: parseInputsKey('f'.repeat(64)) });
  expect(await hashesFor(store, ACME)).toEqual([
    signed.sha256,
    here.sidecar.sha256,
    newer.sha256,
    older.sha256,
  ]);
  expect(await findHits(store, { ...BUILD, platform: 'linux/arm64' }, { origin: ACME })).toEqual([]);

  await rememberSigner(store);
  expect(await hashesFor(store, ACME), 'the repository signs').toEqual([signed.sha256, here.sidecar.sha256]);
  const unsigned = await findHits(store, BUILD, { origin: ACME, unsigned: true });
  expect(unsigned, 'the user has said so').toHaveLength(4);
});

test.each<[string, Origin]>([
  ['another repository', { ...ACME, repository: 'mallory/tools' }],
  ['another server', { ...ACME, serverUrl: 'https://ghe.example' }],
  ['no repository', { kind: 'none' }],
  ['an unknown origin', { kind: 'unknown' }],
])('a checkout of %s gets nothing but what was packed here', async (_, origin) => {
  const store = await emptyStore();
  await fetchSample(store, ACME, { id: CI, signer: 'acme' });
  expect(await hashesFor(store, origin)).toEqual([]);
  const here = await installSample(store, { id: LOCAL, created: 'here' });
  expect(await hashesFor(store, origin)).toEqual([here.sidecar.sha256]);
  const theirs = await fetchSample(store, origin, { id: CI, created: 'theirs', signer: 'them' });
  expect(await hashesFor(store, ACME)).not.toContain(theirs.sha256);
});

test('a repository is the same however its name is written', async () => {
  const store = await emptyStore();
  const { sha256 } = await fetchSample(store, ACME, { id: CI });
  expect(await hashesFor(store, { ...ACME, repository: 'Acme/TOOLS' })).toEqual([sha256]);
});

test('what one origin says of the same bytes is not said by another one', async () => {
  const store = await emptyStore();
  const key = parseInputsKey('f'.repeat(64));
  const ours = await fetchSample(store, ACME, { id: CI, signer: 'acme' });
  await fetchAgain(store, ours, { ...ACME, repository: 'mallory/tools' }, key);
  expect(await findHits(store, { ...BUILD, key }, { origin: ACME })).toEqual([]);
  const [hit] = await findHits(store, BUILD, { origin: ACME });
  expect(hit).toMatchObject({ origin: ACME, signer: 'acme' });
});

test('a sidecar that was signed is not made unsigned by fetching it again without its signature', async () => {
  const store = await emptyStore();
  const signed = await fetchSample(store, ACME, { id: CI, signer: 'acme' });
  await fetchAgain(store, signed, ACME);
  await rememberSigner(store);
  expect(await hashesFor(store, ACME)).toEqual([signed.sha256]);
});

test.each([
  ['a truncated file', async (path: string) => await fs.writeFile(path, 'short')],
  ['a link', async (path: string) => await fs.symlink('/etc/passwd', path)],
  ['a directory', async (path: string) => await fs.mkdir(path)],
])('%s in the place of a sidecar is not found', async (_, make) => {
  const store = await emptyStore();
  const { path } = await fetchSample(store, ACME, { id: CI });
  await fs.rm(path);
  await make(path);
  expect(await hashesFor(store, ACME)).toEqual([]);
});

test.each([
  ['no JSON', () => '{'],
  ['null', () => 'null'],
  ['another version', (content: object) => JSON.stringify({ ...content, version: 2 })],
  ['another sidecar', (content: object) => JSON.stringify({ ...content, sha256: '0'.repeat(64) })],
])('%s in the catalog is neither a hit nor a failure', async (_, spoil) => {
  const store = await emptyStore();
  const { sha256 } = await fetchSample(store, ACME, { id: CI });
  const path = join(store.dir, '.pack/catalog', `${sha256}.json`);
  const content = JSON.parse(await fs.readFile(path, 'utf8'));
  await fs.rm(path);
  await fs.writeFile(path, spoil(content));
  expect(await findHits(store, BUILD, { origin: ACME })).toEqual([]);
});

test('a damaged sidecar goes to quarantine with its name, and the next one is found', async () => {
  const { store, warnings } = await watchedStore(join(await tempDir(), 'store'));
  const older = await fetchSample(store, ACME, { id: CI });
  const newer = await fetchSample(store, ACME, { id: CI, created: 'newer' });
  await bindName(store, LOCAL, newer, { proof: 'inputs' });
  const bytes = await bytesWithAFlip(newer.path);
  await fs.chmod(newer.path, 0o644);
  await fs.writeFile(newer.path, bytes);
  expect(await verifyStored(store, newer, {})).toBeUndefined();
  expect(warnings).toEqual([expect.stringContaining('CRC-32')]);
  expect(await store.list()).toEqual([]);
  expect(await hashesFor(store, ACME)).toEqual([older.sha256]);
});

test('frames can be copied from sidecars of the same origin and platform and from those packed here, newest first', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const later = (minutes: number) => vi.setSystemTime(Date.parse('2026-11-23T00:00:00Z') + minutes * 60_000);
  const store = await emptyStore();
  const expected: string[] = [];
  for (const [minutes, created] of ['a', 'b', 'c', 'd', 'e'].entries()) {
    later(minutes);
    expected.unshift((await fetchSample(store, ACME, { id: CI, created })).sha256);
  }
  later(5);
  expected.unshift((await installSample(store, { id: LOCAL, created: 'here' })).sidecar.sha256);
  later(6);
  await fetchSample(store, { ...ACME, repository: 'mallory/tools' }, { id: CI, created: 'theirs' });
  await fetchSample(store, ACME, { id: CI, created: 'arm64', platform: 'linux/arm64' });
  expect((await contentsOf(store, ACME, 'linux/amd64')).map(({ sha256 }) => sha256)).toEqual(expected);
});

test('the list says of each sidecar where it came from and which names it has', async () => {
  const store = await emptyStore();
  expect(await listSidecars(store)).toEqual([]);
  const stored = await fetchSample(store, ACME, { id: CI, signer: 'acme' });
  await bindName(store, LOCAL, stored, { proof: 'inputs' });
  const foreign = store.pathFor(id16(imageId('f0')));
  await writeSample(foreign, ({ manifest }) => ({ manifest: { ...manifest, created: 'foreign' } }));
  await fs.rm(join(store.dir, 'root'), { recursive: true });
  await fs.symlink('/etc/passwd', store.pathFor(id16(imageId('1111'))));

  const list = await listSidecars(store);
  expect(JSON.parse(JSON.stringify(list))).toEqual(list);
  expect(list.find(({ sha256 }) => sha256 === undefined)).toEqual({
    sizeBytes: (await fs.stat(foreign)).size,
    origins: [],
    installedAt: expect.any(String),
    usedAt: expect.any(String),
    names: [{ id16: id16(imageId('f0')), path: foreign }],
  });
  expect(list.filter(({ sha256 }) => sha256 !== undefined)).toEqual([
    {
      sha256: stored.sha256,
      sizeBytes: stored.sizeBytes,
      origins: [
        {
          origin: 'github.com/acme/tools',
          key: KEY,
          platform: 'linux/amd64',
          signer: 'acme',
          packedAt: stored.record.packedAt,
          installedAt: expect.any(String),
        },
      ],
      installedAt: expect.any(String),
      usedAt: expect.any(String),
      names: [
        {
          id16: id16(LOCAL),
          path: store.pathFor(id16(LOCAL)),
          imageId: LOCAL,
          origin: 'github.com/acme/tools',
          proof: 'inputs',
          namedAt: expect.any(String),
        },
      ],
    },
  ]);
});
