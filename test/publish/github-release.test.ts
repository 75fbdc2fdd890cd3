import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { releaseSource } from '../../src/fetch/github-release.ts';
import { requireTagAt } from '../../src/publish/release-api.ts';
import { githubSite } from '../../src/remote/github.ts';
import { HttpClient } from '../../src/remote/http.ts';
import { bytesOf, KEY } from '../fetch/published.ts';
import { failureOf } from '../helpers/failure.ts';
import { startServer } from '../helpers/loopback-server.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { COMMIT, contentsOf, REPOSITORY, type ReleaseBed, startReleaseBed, TAG } from './release-bed.ts';

const AMD64 = 'smolmachine-linux-amd64-a1b2c3d4a1b2c3d4.smolmachine';
const ARM64 = AMD64.replace('amd64', 'arm64');
const OTHER_COMMIT = 'd'.repeat(40);

let bed: ReleaseBed;

beforeEach(async () => {
  bed = await startReleaseBed();
});

function theRelease() {
  expect(bed.repository.releases).toHaveLength(1);
  return bed.repository.releases[0] as (typeof bed.repository.releases)[number];
}

async function hexOf(path: string): Promise<string> {
  return hash('sha256', await fs.readFile(path));
}

describe('a new release', () => {
  it('is a draft until all is there, and published by the last request', async () => {
    const sidecars = [
      await bed.addSidecar('linux/amd64', { bundle: true }),
      await bed.addSidecar('linux/arm64'),
    ];
    const result = await bed.publish(sidecars);
    expect(result).toMatchObject({ isDraft: false, missingPlatforms: [] });
    expect(bed.changes()).toEqual([
      'POST api releases',
      `POST uploads ${AMD64}`,
      `POST uploads ${AMD64}.sigstore.json`,
      `POST uploads ${AMD64}.json`,
      'POST uploads SHA256SUMS-linux-amd64',
      `POST uploads ${ARM64}`,
      `POST uploads ${ARM64}.json`,
      'POST uploads SHA256SUMS-linux-arm64',
      'PATCH api releases/N',
    ]);
    expect(bed.github.requests.at(-1)).toMatchObject({ method: 'PATCH' });
    expect(theRelease()).toMatchObject({ tag: TAG, draft: false });
    expect(contentsOf(theRelease())).toMatchObject({
      [AMD64]: sidecars[0]?.record.sidecar.sha256,
      [ARM64]: sidecars[1]?.record.sidecar.sha256,
    });
  });

  it('has what fetch finds', async () => {
    const sidecar = await bed.addSidecar();
    await bed.publish([sidecar]);
    const http = new HttpClient({ signal: new AbortController().signal });
    onTestFinished(() => http.close());
    const source = releaseSource(TAG, {
      http,
      github: await githubSite({ env: { ...bed.github.env, GH_CONFIG_DIR: '/none' } }),
    });
    const offer = await source.find({
      key: KEY,
      platform: 'linux/amd64',
      repository: REPOSITORY,
      serverUrl: 'https://github.com',
      history: async () => [],
      tags: async () => [],
    });
    expect(offer).toMatchObject({ record: sidecar.record, content: { kind: 'remote' } });
    if ('content' in offer && offer.content.kind === 'remote') {
      expect((await bytesOf(offer.content)).bytes).toEqual(await fs.readFile(sidecar.path));
    }
  });

  it('has sums that sha256sum accepts', async () => {
    const sidecar = await bed.addSidecar();
    await bed.publish([sidecar]);
    const dir = await tempDir();
    for (const { name, content } of theRelease().assets) {
      await fs.writeFile(join(dir, name), content);
    }
    const child = spawn('sha256sum', ['--check', '--strict', 'SHA256SUMS-linux-amd64'], { cwd: dir });
    const [code] = await once(child, 'close');
    expect(code).toBe(0);
  });

  it('completes the draft that someone has made for the tag, and keeps what is in it', async () => {
    for (let index = 0; index < 35; index += 1) {
      bed.repository.addRelease(`v0.${index}`);
    }
    const draft = bed.repository.createRelease(TAG, true);
    for (let index = 0; index < 35; index += 1) {
      bed.repository.addRelease(`nightly-${index}`);
    }
    Object.assign(bed.repository.addAsset(draft, 'notes.txt'), { state: 'uploaded' });
    await bed.publish([await bed.addSidecar()]);
    expect(bed.repository.releases.filter(({ tag }) => tag === TAG)).toEqual([draft]);
    expect(draft.draft).toBe(false);
    expect(Object.keys(contentsOf(draft))).toContain('notes.txt');
  });

  it('is one, though another job makes a draft at the same moment', async () => {
    let theirs: unknown;
    bed.github.fault = ({ method }) => {
      if (method === 'POST' && theirs === undefined) {
        theirs = bed.repository.createRelease(TAG, true);
      }
      return undefined;
    };
    await bed.publish([await bed.addSidecar()]);
    expect(theRelease()).toBe(theirs);
    expect(theRelease().draft).toBe(false);
  });

  it('is one, though the answer to its creation got lost', async () => {
    bed.fail(
      ({ method, server }) => {
        if (method === 'POST' && server === 'api') {
          bed.repository.createRelease(TAG, true);
          return true;
        }
        return false;
      },
      { status: 502 },
      1,
    );
    await bed.publish([await bed.addSidecar()]);
    expect(theRelease().draft).toBe(false);
    expect(bed.retries).toHaveLength(1);
  });

  it('is published once, though the answer got lost', async () => {
    bed.fail(
      ({ method }) => {
        if (method === 'PATCH') {
          theRelease().draft = false;
          return true;
        }
        return false;
      },
      { status: 502 },
      1,
    );
    expect(await bed.publish([await bed.addSidecar()])).toMatchObject({ isDraft: false });
    expect(bed.changes().filter((change) => change.startsWith('PATCH'))).toHaveLength(1);
  });

  it('stays a draft where it is not to be published', async () => {
    expect(await bed.publish([await bed.addSidecar()], { publish: false })).toMatchObject({ isDraft: true });
    expect(theRelease().draft).toBe(true);
    expect(Object.keys(contentsOf(theRelease()))).toHaveLength(3);
  });
});

describe('a release that several jobs bring together', () => {
  const expectedPlatforms = ['linux/amd64', 'linux/arm64'] as const;

  it('is published by the job that completes it', async () => {
    const first = await bed.publish([await bed.addSidecar('linux/arm64')], { expectedPlatforms });
    expect(first).toMatchObject({ isDraft: true, missingPlatforms: ['linux/amd64'] });
    expect(theRelease().draft).toBe(true);
    const last = await bed.publish([await bed.addSidecar('linux/amd64')], { expectedPlatforms });
    expect(last).toMatchObject({ isDraft: false, missingPlatforms: [] });
    expect(theRelease().draft).toBe(false);
  });

  it('stays a draft while the other job has not brought all that its sums promise', async () => {
    await bed.publish([await bed.addSidecar('linux/arm64')], { expectedPlatforms });
    const sidecar = theRelease().assets.find(({ name }) => name === ARM64);
    Object.assign(sidecar ?? {}, { digest: `sha256:${'0'.repeat(64)}` });
    expect(await bed.publish([await bed.addSidecar('linux/amd64')], { expectedPlatforms })).toMatchObject({
      isDraft: true,
      missingPlatforms: ['linux/arm64'],
    });
  });
});

describe('a run that is repeated', () => {
  it.each([true, false])('changes nothing when all is there (immutable: %s)', async (immutable) => {
    bed.repository.hasImmutableReleases = immutable;
    const sidecars = [await bed.addSidecar()];
    const first = await bed.publish(sidecars);
    const before = bed.changes().length;
    expect(await bed.publish(sidecars)).toEqual(first);
    expect(bed.changes()).toHaveLength(before);
    expect(theRelease().immutable).toBe(immutable);
  });

  it('adds to a published release what it has not', async () => {
    const release = bed.repository.addRelease(TAG, { 'notes.txt': 'x' });
    expect(await bed.publish([await bed.addSidecar()])).toMatchObject({ isDraft: false });
    expect(Object.keys(contentsOf(release))).toEqual([
      'notes.txt',
      AMD64,
      `${AMD64}.json`,
      'SHA256SUMS-linux-amd64',
    ]);
    expect(bed.changes().filter((change) => change.includes(' api '))).toEqual([]);
  });

  it('refuses other content under a published name, before it changes anything', async () => {
    await bed.publish([await bed.addSidecar('linux/arm64')]);
    const published = contentsOf(theRelease());
    const before = bed.changes().length;
    const sidecar = await bed.addSidecar('linux/arm64');
    const error = await failureOf(bed.publish([await bed.addSidecar('linux/amd64'), sidecar]));
    expect(error).toMatchObject({ code: 'upload-failed', hint: expect.stringContaining('new tag') });
    expect(error.message).toContain(
      `${ARM64} (there: sha256:${published[ARM64]}, here: sha256:${sidecar.record.sidecar.sha256})`,
    );
    expect(bed.changes()).toHaveLength(before);
    expect(contentsOf(theRelease())).toEqual(published);
  });

  it('replaces in a draft what an earlier run has packed', async () => {
    await bed.publish([await bed.addSidecar()], { publish: false });
    const sidecar = await bed.addSidecar();
    await bed.publish([sidecar]);
    expect(contentsOf(theRelease())[AMD64]).toBe(sidecar.record.sidecar.sha256);
    expect(Object.keys(contentsOf(theRelease()))).toHaveLength(3);
  });

  it('replaces nothing of a draft that was published in between', async () => {
    await bed.publish([await bed.addSidecar()], { publish: false });
    const published = contentsOf(theRelease());
    bed.github.fault = ({ method, url }) => {
      // What is asked last before an asset would be deleted.
      theRelease().draft &&= !(method === 'GET' && /\/releases\/\d+$/.test(url));
      return undefined;
    };
    const error = await failureOf(bed.publish([await bed.addSidecar()]));
    expect(error.message).toContain('other content');
    expect(contentsOf(theRelease())).toEqual(published);
  });

  it('refuses to add to an immutable release, and names what is missing', async () => {
    bed.repository.hasImmutableReleases = true;
    await bed.publish([await bed.addSidecar('linux/amd64')]);
    const before = bed.changes().length;
    const error = await failureOf(bed.publish([await bed.addSidecar('linux/arm64')]));
    expect(error).toMatchObject({
      code: 'upload-failed',
      message: expect.stringMatching(
        new RegExp(`immutable.*${ARM64}, ${ARM64}.json, SHA256SUMS-linux-arm64$`),
      ),
      hint: expect.stringContaining('new tag'),
    });
    expect(bed.changes()).toHaveLength(before);
  });
});

describe('the tag', () => {
  it.each([false, true])('on another commit ends it before any change (annotated: %s)', async (annotated) => {
    bed.repository.moveTag(TAG, OTHER_COMMIT, { annotated });
    const error = await failureOf(bed.publish([await bed.addSidecar()]));
    expect(error.code).toBe('not-trusted');
    expect(error.message).toBe(
      `the tag ${TAG} is on commit ${OTHER_COMMIT}, and the sidecars were packed from ${COMMIT}`,
    );
    expect(bed.changes()).toEqual([]);
  });

  it.each(['cli/v1', 'v2'])('may be annotated, and have a slash in its name: %s', async (tag) => {
    bed.repository.moveTag(tag, COMMIT, { annotated: true });
    await bed.publish([await bed.addSidecar()], { tag });
    expect(theRelease()).toMatchObject({ tag, draft: false });
  });

  it('that is not there is not made', async () => {
    const error = await failureOf(bed.publish([await bed.addSidecar()], { tag: 'v9' }));
    expect(error).toMatchObject({ code: 'not-found', message: `${REPOSITORY} has no tag v9` });
    expect(bed.changes()).toEqual([]);
  });

  it('that moves while files are sent leaves the release a draft', async () => {
    bed.github.uploadFault = () => {
      bed.repository.moveTag(TAG, OTHER_COMMIT);
      return undefined;
    };
    expect((await failureOf(bed.publish([await bed.addSidecar()]))).code).toBe('not-trusted');
    expect(theRelease().draft).toBe(true);
    expect(Object.keys(contentsOf(theRelease()))).toEqual([AMD64]);
  });

  it('can be asked for before anything is packed', async () => {
    const http = new HttpClient({ signal: new AbortController().signal });
    onTestFinished(() => http.close());
    const github = await githubSite({ env: { ...bed.github.env, GH_CONFIG_DIR: '/none' } });
    const place = { http, github, repository: REPOSITORY, tag: TAG };
    await requireTagAt({ ...place, commit: COMMIT });
    expect((await failureOf(requireTagAt({ ...place, commit: OTHER_COMMIT }))).code).toBe('not-trusted');
  });
});

describe('an upload', () => {
  it('that is cut is sent again, and what it has left is deleted', async () => {
    bed.failUploads(undefined, 'cut', 'cut');
    const sidecar = await bed.addSidecar();
    await bed.publish([sidecar]);
    expect(bed.changes()).toEqual([
      'POST api releases',
      `POST uploads ${AMD64}`,
      `POST uploads ${AMD64}.json`,
      'DELETE api releases/assets/N',
      `POST uploads ${AMD64}.json`,
      'DELETE api releases/assets/N',
      `POST uploads ${AMD64}.json`,
      'POST uploads SHA256SUMS-linux-amd64',
      'PATCH api releases/N',
    ]);
    expect(contentsOf(theRelease())[`${AMD64}.json`]).toBe(await hexOf(`${sidecar.path}.json`));
  });

  it('is whole after a cut in the middle of a sidecar', async () => {
    bed.failUploads('cut');
    const sidecar = await bed.addSidecar();
    await bed.publish([sidecar]);
    expect(contentsOf(theRelease())[AMD64]).toBe(sidecar.record.sidecar.sha256);
  });

  it('whose answer got lost is not sent again', async () => {
    bed.failUploads('lost-answer');
    await bed.publish([await bed.addSidecar()]);
    expect(bed.changes().filter((change) => change === `POST uploads ${AMD64}`)).toHaveLength(1);
    expect(theRelease().draft).toBe(false);
  });

  it('that an earlier run has left half made is deleted and sent again', async () => {
    const draft = bed.repository.createRelease(TAG, true);
    bed.repository.addAsset(draft, AMD64);
    const sidecar = await bed.addSidecar();
    await bed.publish([sidecar]);
    expect(contentsOf(draft)[AMD64]).toBe(sidecar.record.sidecar.sha256);
  });

  it('that GitHub keeps half made is sent once more', async () => {
    bed.failUploads('starter');
    const sidecar = await bed.addSidecar();
    await bed.publish([sidecar]);
    expect(contentsOf(theRelease())[AMD64]).toBe(sidecar.record.sidecar.sha256);
    expect(bed.changes().filter((change) => change === `POST uploads ${AMD64}`)).toHaveLength(2);
  });

  it('that GitHub keeps half made again fails, and nothing is published', async () => {
    bed.github.uploadFault = (name) => (name === AMD64 ? 'starter' : undefined);
    const error = await failureOf(bed.publish([await bed.addSidecar()]));
    expect(error).toMatchObject({
      code: 'upload-failed',
      message: expect.stringMatching(`accepted these files twice, .*: ${AMD64}$`),
    });
    expect(bed.changes().filter((change) => change === `POST uploads ${AMD64}`)).toHaveLength(2);
    expect(theRelease().draft).toBe(true);
  });

  it.each([true, false])(
    'that arrives as something else is deleted again (published: %s)',
    async (published) => {
      if (published) {
        bed.repository.addRelease(TAG);
      }
      bed.failUploads('corrupt');
      const error = await failureOf(bed.publish([await bed.addSidecar()]));
      expect(error).toMatchObject({
        code: 'upload-failed',
        message: expect.stringContaining('arrived as sha256:'),
      });
      expect(contentsOf(theRelease())).toEqual({});
      expect(theRelease().draft).toBe(!published);
    },
  );

  it.each([undefined, 'corrupt'] as const)(
    'is downloaded and compared where GitHub has no digests (%s)',
    async (fault) => {
      bed.github.hasDigests = false;
      bed.failUploads(fault);
      const work = bed.publish([await bed.addSidecar()]);
      if (fault === undefined) {
        await work;
      } else {
        expect((await failureOf(work)).message).toContain('arrived as something else');
      }
      expect(theRelease().draft).toBe(fault !== undefined);
    },
  );

  it('of a file that has changed since it was packed is not begun', async () => {
    const sidecar = await bed.addSidecar();
    await fs.truncate(sidecar.path, 40_000);
    const error = await failureOf(bed.publish([sidecar]));
    expect(error.message).toContain('it has 40000 bytes, not 50000');
    expect(bed.changes()).toEqual([]);
  });

  it('of a file that becomes shorter while it is sent ends at once', async () => {
    const sidecar = await bed.addSidecar();
    bed.github.fault = ({ server }) => {
      if (server === 'api') {
        // The size is known by then, and the content is read later.
        void fs.truncate(sidecar.path, 40_000);
      }
      return undefined;
    };
    const error = await failureOf(bed.publish([sidecar]));
    expect(error.message).toContain('has changed since it was verified');
    expect(theRelease().draft).toBe(true);
  });

  it('of 2 GiB or more is refused before anything is changed, with a way out', async () => {
    const sidecar = await bed.addSidecar();
    const record = { ...sidecar.record, sidecar: { ...sidecar.record.sidecar, sizeBytes: 2 ** 31 } };
    await fs.truncate(sidecar.path, 2 ** 31);
    const error = await failureOf(bed.publish([await bed.addSidecar('linux/arm64'), { ...sidecar, record }]));
    expect(error).toMatchObject({ code: 'upload-failed', hint: expect.stringContaining('OCI') });
    expect(bed.github.requests).toEqual([]);
  });
});

describe('a limit of GitHub', () => {
  const limit = (retryAfter: number) => ({
    status: 403,
    headers: { 'content-type': 'application/json', 'retry-after': String(retryAfter) },
    body: JSON.stringify({ message: 'You have exceeded a secondary rate limit.' }),
  });

  it('is waited for', async () => {
    bed.fail(({ server }) => server === 'uploads', limit(1), 1);
    await bed.publish([await bed.addSidecar()]);
    expect(theRelease().draft).toBe(false);
    expect(bed.retries).toEqual([expect.stringContaining('secondary rate limit')]);
  });

  it('that lasts longer than a minute ends it with its own words, and the draft stays', async () => {
    bed.fail(({ server }) => server === 'uploads', limit(61));
    const error = await failureOf(bed.publish([await bed.addSidecar()]));
    expect(error.code).toBe('try-later');
    expect(error.message).toMatch(/secondary rate limit.*come back in 2 minutes/);
    expect(theRelease().draft).toBe(true);
  });

  it('without a time ends it too', async () => {
    const { headers: _, ...answer } = limit(0);
    bed.fail(({ server }) => server === 'uploads', answer);
    expect((await failureOf(bed.publish([await bed.addSidecar()]))).code).toBe('try-later');
  });
});

describe('what GitHub refuses', () => {
  it.each(['reads', 'private'])('for want of contents: write names the line to add (%s)', async (kind) => {
    const repository =
      kind === 'private' ? bed.github.addRepository('acme/secret', { isPrivate: true }) : bed.repository;
    repository.moveTag(TAG, COMMIT);
    const token = bed.github.addToken({ reads: [repository] });
    const work = bed.publish([await bed.addSidecar()], { token, repository: repository.fullName });
    expect(await failureOf(work)).toMatchObject({
      code: 'authentication',
      message: `this job cannot write releases of ${repository.fullName}`,
      hint: expect.stringContaining('contents: write'),
    });
  });

  it('because the tag belonged to an immutable release asks for a new tag', async () => {
    bed.fail(({ method }) => method === 'PATCH', {
      status: 422,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ message: 'Validation Failed: tag_name was used by an immutable release' }),
    });
    const error = await failureOf(bed.publish([await bed.addSidecar()]));
    expect(error).toMatchObject({ code: 'upload-failed', hint: expect.stringContaining('make a new tag') });
    expect(error.message).toContain('tag_name was used by an immutable release');
  });
});

describe('the token', () => {
  it('goes to the API and to the place for uploads, and nowhere else', async () => {
    bed.github.hasDigests = false;
    const sidecars = [await bed.addSidecar()];
    await bed.publish(sidecars);
    const got = (server: string) =>
      new Set(
        bed.github.requests
          .filter((request) => request.server === server)
          .map(({ headers }) => headers.authorization !== undefined),
      );
    expect(got('api')).toEqual(new Set([true]));
    expect(got('uploads')).toEqual(new Set([true]));
    expect(got('storage')).toEqual(new Set([false]));
    expect(JSON.stringify([bed.progress, bed.retries])).not.toContain(bed.token);
  });

  it('does not go where a release says that it takes files, unless that is this GitHub', async () => {
    const elsewhere = await startServer((_, response) => response.end('{}'));
    bed.github.uploadOrigin = `http://${elsewhere.host}`;
    const error = await failureOf(bed.publish([await bed.addSidecar()]));
    expect(error.code).toBe('not-trusted');
    expect(error.message).toContain(elsewhere.host);
    expect(elsewhere.requests).toEqual([]);
  });

  it('is in no error', async () => {
    bed.fail(({ server }) => server === 'uploads', { status: 500, body: 'no' });
    const error = await failureOf(bed.publish([await bed.addSidecar()]));
    expect(`${error.stack}${error.hint}${JSON.stringify(error)}`).not.toContain(bed.token);
  });
});

describe('a run that is killed', () => {
  it.each(['between two files', 'in the middle of a file'])(
    '%s leaves a draft, which the next run completes',
    async (when) => {
      const sidecars = [await bed.addSidecar('linux/amd64'), await bed.addSidecar('linux/arm64')];
      const options = {
        ...{ repository: REPOSITORY, tag: TAG, commit: COMMIT, sidecars, token: bed.token },
        ...{ publish: true, expectedPlatforms: [] },
      };
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'publish-child.ts'), JSON.stringify(options)],
        { env: { PATH: process.env.PATH, GH_CONFIG_DIR: '/none', ...bed.github.env }, stdio: 'inherit' },
      );
      const ended = once(child, 'close');
      bed.github.fault = ({ url }) => {
        if (when === 'between two files' && url.includes(`name=${ARM64}.json`)) {
          child.kill('SIGKILL');
          return { status: 500 };
        }
        return undefined;
      };
      bed.github.uploadFault = (name) => {
        if (when !== 'between two files' && name === ARM64) {
          child.kill('SIGKILL');
          return 'cut';
        }
        return undefined;
      };
      expect(await ended).toEqual([null, 'SIGKILL']);
      const draft = theRelease();
      expect(draft.draft).toBe(true);
      expect(contentsOf(draft)[ARM64]).toBe(
        when === 'between two files' ? sidecars[1]?.record.sidecar.sha256 : 'starter',
      );

      bed.github.fault = undefined;
      bed.github.uploadFault = undefined;
      const before = bed.changes().length;
      await bed.publish(sidecars);
      expect(theRelease()).toBe(draft);
      expect(draft.draft).toBe(false);
      expect(Object.keys(contentsOf(draft))).toHaveLength(6);
      expect(bed.changes().slice(before)).not.toContain(`POST uploads ${AMD64}`);
    },
  );
});
