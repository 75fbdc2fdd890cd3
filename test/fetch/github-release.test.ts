import { beforeEach, describe, expect, it } from 'vitest';
import { releaseSource } from '../../src/fetch/github-release.ts';
import type { Offer, RemoteFile, Skipped, SourceTools, Wanted } from '../../src/fetch/source.ts';
import { failureOf } from '../helpers/failure.ts';
import {
  type Bed,
  bytesOf,
  NAME,
  REPOSITORY,
  recordOf,
  recordText,
  SIDECAR,
  sha256,
  startBed,
  WANTED,
} from './published.ts';

const ASSETS = { [NAME]: SIDECAR, [`${NAME}.json`]: recordText(SIDECAR) };

let bed: Bed;

beforeEach(async () => {
  bed = await startBed();
});

async function find(tag: string | undefined, token?: string, wanted: Partial<Wanted> = {}) {
  return await releaseSource(tag, await bed.tools(token)).find({ ...WANTED, ...wanted });
}

async function offer(...of: Parameters<typeof find>): Promise<Offer & { content: RemoteFile }> {
  const found = await find(...of);
  expect(found).toHaveProperty('content.kind', 'remote');
  return found as Offer & { content: RemoteFile };
}

async function skipped(...of: Parameters<typeof find>): Promise<string> {
  const found = await find(...of);
  expect(found).toHaveProperty('skipped');
  return (found as Skipped).skipped;
}

function asked(server: string): number {
  return bed.github.requests.filter((request) => request.server === server).length;
}

function authorized(): string[] {
  return bed.github.requests
    .filter(({ headers }) => headers.authorization !== undefined)
    .map(({ server }) => server);
}

describe('the releases of a public repository', () => {
  it('are read without a token and without the API', async () => {
    bed.github.addRepository(REPOSITORY).addRelease('v1.2.0', ASSETS);
    const { record, content, address } = await offer('v1.2.0');
    expect(record).toEqual(recordOf(SIDECAR));
    expect(content).toMatchObject({ sizeBytes: SIDECAR.length, sha256: sha256(SIDECAR) });
    expect((await bytesOf(content)).bytes).toEqual(SIDECAR);
    expect(address).toBe('release:v1.2.0');
    expect(asked('api')).toBe(0);
  });

  it.each([undefined, 'a token'])('have the frame index beside the sidecar, with %s', async (login) => {
    const assets = { ...ASSETS, [`${NAME}.frames`]: 'index' };
    const repository = bed.github.addRepository(REPOSITORY, { isPrivate: login !== undefined });
    repository.addRelease('v1', assets);
    const { frameIndex } = await offer('v1', login && bed.github.addToken({ reads: [repository] }));
    expect(String(await frameIndex(5))).toBe('index');
  });

  it('get no token, though there is one', async () => {
    bed.github.addRepository(REPOSITORY).addRelease('v1', ASSETS);
    const { content } = await offer('v1', bed.github.addToken());
    await bytesOf(content);
    expect(authorized()).toEqual([]);
  });

  it('are those of the commit first, whatever the latest is', async () => {
    const repository = bed.github.addRepository(REPOSITORY);
    repository.addRelease('v1', ASSETS);
    repository.addRelease('v2', ASSETS);
    expect((await offer(undefined, undefined, { tags: async () => ['no-release', 'v1'] })).address).toBe(
      'release:v1',
    );
  });

  it('are found for every tag of a commit that has many, and what was not asked is said', async () => {
    const repository = bed.github.addRepository(REPOSITORY);
    repository.addRelease('@acme/agent@1.2.0', ASSETS);
    const many = Array.from({ length: 20 }, (_, index) => `@acme/pkg-${index}@1.0.0`);
    const tags = async () => [...many, '@acme/agent@1.2.0'];
    expect((await offer(undefined, undefined, { tags })).address).toBe('release:@acme/agent@1.2.0');
    const tooMany = async () => Array.from({ length: 40 }, (_, index) => `é#${index}`);
    const miss = await skipped(undefined, undefined, { platform: 'linux/arm64', tags: tooMany });
    expect(miss).toMatch(
      /releases é#0, .*, @acme\/agent@1\.2\.0; not asked for 16 more tags of this commit \(--from release:TAG\)/,
    );
  });

  it('are the latest for a commit without a tag, and the address names its tag', async () => {
    const repository = bed.github.addRepository(REPOSITORY);
    repository.addRelease('cli/v1', ASSETS);
    repository.addRelease('v2-beta', {}).prerelease = true;
    const { address, content } = await offer(undefined);
    expect(address).toBe('release:cli/v1');
    expect((await bytesOf(content)).bytes).toEqual(SIDECAR);
    expect(asked('api')).toBe(0);
  });

  it('give a part of a file, and the whole when it is another file by now', async () => {
    bed.github.addRepository(REPOSITORY).addRelease('v1', ASSETS);
    const { content } = await offer('v1');
    const { etag } = await bytesOf(content);
    expect(await bytesOf(content, { start: 100, end: 300, etag })).toEqual({
      status: 206,
      etag,
      bytes: SIDECAR.subarray(100, 300),
    });
    expect((await bytesOf(content, { start: 49_000, end: 50_000, etag })).bytes).toEqual(
      SIDECAR.subarray(49_000),
    );
    expect((await bytesOf(content, { start: 100, end: 200, etag: '"another"' })).status).toBe(200);
  });

  it('are asked again when a signed link has run out', async () => {
    bed.github.addRepository(REPOSITORY).addRelease('v1', ASSETS);
    const { content } = await offer('v1');
    await bytesOf(content);
    bed.github.expireLinks();
    expect((await bytesOf(content)).bytes).toEqual(SIDECAR);
  });

  it('without a sidecar for these inputs are skipped', async () => {
    bed.github.addRepository(REPOSITORY).addRelease('v1', { 'other.txt': 'x' });
    expect(await skipped('v1', bed.github.addToken())).toBe(`${REPOSITORY} has no ${NAME} in release v1`);
    expect(await skipped(undefined, bed.github.addToken())).toBe(
      `${REPOSITORY} has no ${NAME} in release v1`,
    );
  });

  it('are skipped when there are none', async () => {
    bed.github.addRepository(REPOSITORY);
    expect(await skipped(undefined, bed.github.addToken())).toBe(`${REPOSITORY} has no release`);
    expect(await skipped(undefined, undefined, { repository: undefined })).toMatch(
      /not known which repository/,
    );
  });
});

describe('the releases of a private repository', () => {
  it('are skipped without a token, with the way to get there', async () => {
    bed.github.addRepository(REPOSITORY, { isPrivate: true }).addRelease('v1', ASSETS);
    expect(await skipped('v1')).toMatch(/for a private repository set GH_TOKEN/);
    expect(asked('api')).toBe(0);
  });

  it('are read with a token, which only the API gets', async () => {
    const repository = bed.github.addRepository(REPOSITORY, { isPrivate: true });
    repository.addRelease('v1', ASSETS);
    const token = bed.github.addToken({ reads: [repository] });
    for (const tag of ['v1', undefined]) {
      const { content, address, record } = await offer(tag, token);
      expect(record).toEqual(recordOf(SIDECAR));
      expect((await bytesOf(content)).bytes).toEqual(SIDECAR);
      expect(address).toBe('release:v1');
    }
    expect(asked('storage')).toBe(4);
    expect(new Set(authorized())).toEqual(new Set(['api']));
  });

  it('are read in the same way on a server where everyone must log in', async () => {
    bed.github.wantsLogin = true;
    bed.github.addRepository(REPOSITORY).addRelease('v1', ASSETS);
    expect(await skipped('v1')).toMatch(/set GH_TOKEN/);
    expect((await offer(undefined, bed.github.addToken())).address).toBe('release:v1');
  });

  it('end with the authentication error for a bad token, which is in no message', async () => {
    bed.github.addRepository(REPOSITORY, { isPrivate: true }).addRelease('v1', ASSETS);
    const error = await failureOf(find('v1', 'ghp_wrong'));
    expect(error).toMatchObject({ code: 'authentication', hint: expect.stringContaining('GH_TOKEN') });
    expect(`${error.stack}${JSON.stringify(error)}`).not.toContain('ghp_wrong');
  });

  it('have an asset that is being uploaded for none', async () => {
    const repository = bed.github.addRepository(REPOSITORY, { isPrivate: true });
    for (const asset of repository.addRelease('v1', ASSETS).assets) {
      asset.state = asset.name === NAME ? 'starter' : 'uploaded';
    }
    expect(await skipped('v1', bed.github.addToken({ reads: [repository] }))).toMatch(/has no smolmachine/);
  });

  it('are damaged when digest or size are not those of the record', async () => {
    const repository = bed.github.addRepository(REPOSITORY, { isPrivate: true });
    const token = bed.github.addToken({ reads: [repository] });
    const swapped = Buffer.alloc(SIDECAR.length);
    repository.addRelease('swapped', { ...ASSETS, [NAME]: swapped });
    repository.addRelease('cut', { ...ASSETS, [NAME]: SIDECAR.subarray(1) });
    const error = await failureOf(find('swapped', token));
    expect(error.code).toBe('sidecar-damaged');
    expect(error.message).toContain(
      `is sha256:${sha256(swapped)}, and its pack record says sha256:${sha256(SIDECAR)}`,
    );
    expect((await failureOf(find('cut', token))).message).toMatch(/size of .* is 49999, .* says 50000/);
  });

  it('need no digest: old assets have none', async () => {
    const repository = bed.github.addRepository(REPOSITORY, { isPrivate: true });
    for (const asset of repository.addRelease('v1', ASSETS).assets) {
      asset.digest = null;
    }
    const { content } = await offer('v1', bed.github.addToken({ reads: [repository] }));
    expect(content.sha256).toBe(sha256(SIDECAR));
  });
});

describe('a pack record in a release', () => {
  it.each([
    ['is not JSON', '<html>', /is not a valid pack record: it is not JSON/, /pack your own/],
    ['has no field that it needs', '{"version":1}', /is not a valid pack record: \w/, /pack your own/],
    [
      'is of a newer version',
      '{"version":2}',
      /version 2, and this claude-bottle knows 1/,
      /update claude-bottle/,
    ],
    [
      'is larger than a record can be',
      `"${'x'.repeat(1 << 20)}"`,
      /more than 1048576 bytes/,
      /check the address/,
    ],
  ])('is refused when it %s', async (_, text, message, hint) => {
    bed.github.addRepository(REPOSITORY).addRelease('v1', { ...ASSETS, [`${NAME}.json`]: text });
    const error = await failureOf(find('v1'));
    expect(error).toMatchObject({
      code: 'sidecar-damaged',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
    expect(error.message).not.toContain('sig=');
  });
});

describe('the record that explains a miss', () => {
  async function nearest(tools: SourceTools) {
    return await releaseSource(undefined, tools).nearest?.(WANTED);
  }

  it('is one of the same platform in the latest release, without a token', async () => {
    const other = NAME.replace('a1b2c3d4', '00000000');
    bed.github.addRepository(REPOSITORY).addRelease('v1', {
      [`${NAME.replace('amd64', 'arm64')}.json`]: '{}',
      [`${other}.json`]: recordText(SIDECAR),
    });
    expect(await nearest(await bed.tools())).toEqual(recordOf(SIDECAR));
  });

  it('is none when there is no release, or none with a sidecar for this platform', async () => {
    const repository = bed.github.addRepository(REPOSITORY);
    expect(await nearest(await bed.tools())).toBeUndefined();
    repository.addRelease('v1', { [`${NAME.replace('amd64', 'arm64')}.json`]: recordText(SIDECAR) });
    expect(await nearest(await bed.tools())).toBeUndefined();
  });
});
