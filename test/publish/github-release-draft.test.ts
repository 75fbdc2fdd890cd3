import { beforeEach, describe, expect, it } from 'vitest';
import { parseInputsKey } from '../../src/identity/inputs-key.ts';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { publishedName } from '../../src/identity/published-name.ts';
import type { ReleaseOptions, ReleaseSidecar } from '../../src/publish/github-release.ts';
import { type Asset, digestOf, type Release } from '../doubles/github/repository.ts';
import { KEY } from '../fetch/published.ts';
import { failureOf } from '../helpers/failure.ts';
import { COMMIT, contentsOf, type ReleaseBed, startReleaseBed, TAG } from './release-bed.ts';

const NEXT_COMMIT = 'd'.repeat(40);
const OTHER_KEY = parseInputsKey('0badcafe'.repeat(8));
const AMD64 = publishedName('linux/amd64', KEY);
const ARM64 = publishedName('linux/arm64', KEY);
const OTHER_AMD64 = publishedName('linux/amd64', OTHER_KEY);
const SUMS_AMD64 = 'SHA256SUMS-linux-amd64';
const SUMS_ARM64 = 'SHA256SUMS-linux-arm64';
const WHOLE = [AMD64, `${AMD64}.json`, SUMS_AMD64, ARM64, `${ARM64}.json`, SUMS_ARM64].sort();

let bed: ReleaseBed;

beforeEach(async () => {
  bed = await startReleaseBed();
});

function theRelease(): Release {
  expect(bed.repository.releases).toHaveLength(1);
  return bed.repository.releases[0] as Release;
}

function names(): string[] {
  return Object.keys(contentsOf(theRelease())).sort();
}

function deletions(): string[] {
  return bed.changes().filter((change) => change.startsWith('DELETE'));
}

/** As a job of a matrix does for one platform, or a single job for both. */
async function publish(sidecars: readonly ReleaseSidecar[], options: Partial<ReleaseOptions> = {}) {
  const expectedPlatforms = ['linux/amd64', 'linux/arm64'] as const;
  const commit = sidecars[0]?.record.source?.commit ?? '';
  return await bed.publish(sidecars, { expectedPlatforms, commit, ...options });
}

function addUploaded(name: string, content = 'x'): void {
  const asset = bed.repository.addAsset(theRelease(), name);
  Object.assign(asset, {
    state: 'uploaded',
    content: Buffer.from(content),
    digest: digestOf(Buffer.from(content)),
  });
}

function commitsOfRecords(): string[] {
  return theRelease()
    .assets.filter(({ name }) => name.endsWith('.smolmachine.json'))
    .map(({ content }) => JSON.parse(content.toString()).source.commit);
}

describe('a draft with a sidecar of the commit that the tag was on before', () => {
  it.each([
    ['the same', KEY],
    ['another', OTHER_KEY],
  ])('is published without it, under %s inputs key', async (_, key) => {
    await publish([await bed.addSidecar('linux/amd64', { key, bundle: true })]);
    expect(names()).toHaveLength(4);
    bed.repository.moveTag(TAG, NEXT_COMMIT);

    const arm64 = await bed.addSidecar('linux/arm64', { commit: NEXT_COMMIT });
    expect(await publish([arm64])).toMatchObject({ isDraft: true, missingPlatforms: ['linux/amd64'] });
    expect(names()).toEqual([ARM64, `${ARM64}.json`, SUMS_ARM64].sort());

    const amd64 = await bed.addSidecar('linux/amd64', { commit: NEXT_COMMIT });
    expect(await publish([amd64])).toMatchObject({ isDraft: false, missingPlatforms: [] });
    expect(names()).toEqual(WHOLE);
    expect(commitsOfRecords()).toEqual([NEXT_COMMIT, NEXT_COMMIT]);
  });

  it('says what it deletes', async () => {
    await publish([await bed.addSidecar('linux/amd64')]);
    bed.repository.moveTag(TAG, NEXT_COMMIT);
    await publish([await bed.addSidecar('linux/arm64', { commit: NEXT_COMMIT })]);
    expect(bed.progress).toContainEqual({
      type: 'output',
      stage: 'publish',
      line: `${AMD64} is deleted: it is of another commit`,
    });
  });

  it('loses it also when the deletion broke off before', async () => {
    await publish([await bed.addSidecar('linux/amd64', { bundle: true })]);
    bed.repository.moveTag(TAG, NEXT_COMMIT);
    const arm64 = await bed.addSidecar('linux/arm64', { commit: NEXT_COMMIT });
    for (const left of [3, 2, 1]) {
      let deletions = 0;
      bed.github.fault = ({ method }) => {
        deletions += method === 'DELETE' ? 1 : 0;
        return deletions > 1 ? { status: 400 } : undefined;
      };
      await failureOf(publish([arm64]));
      expect(names()).toHaveLength(left);
    }
    expect(names()).toEqual([`${AMD64}.json`]);
    bed.github.fault = undefined;
    await publish([arm64]);
    expect(names()).toEqual([ARM64, `${ARM64}.json`, SUMS_ARM64].sort());
  });

  it.each([AMD64, `${AMD64}.json`, SUMS_AMD64])(
    'is completed by two jobs at once, the second of which begins while the first sends %s',
    async (moment) => {
      await publish([await bed.addSidecar('linux/amd64'), await bed.addSidecar('linux/arm64')], {
        publish: false,
      });
      bed.repository.moveTag(TAG, NEXT_COMMIT);
      const amd64 = await bed.addSidecar('linux/amd64', { commit: NEXT_COMMIT });
      const arm64 = await bed.addSidecar('linux/arm64', { commit: NEXT_COMMIT });
      let second: ReturnType<typeof publish> | undefined;
      bed.github.uploadFault = (name) => {
        if (name === moment) {
          second ??= publish([arm64]);
        }
        return undefined;
      };
      const first = await publish([amd64]);
      expect([first.isDraft, (await second)?.isDraft]).toContain(false);
      expect(names()).toEqual(WHOLE);
      expect(contentsOf(theRelease())).toMatchObject({
        [AMD64]: amd64.record.sidecar.sha256,
        [ARM64]: arm64.record.sidecar.sha256,
      });
      expect(bed.changes().filter((change) => change === `POST uploads ${AMD64}`)).toHaveLength(2);
    },
  );

  it('is completed by two jobs that begin at the same moment', async () => {
    await publish([await bed.addSidecar('linux/amd64'), await bed.addSidecar('linux/arm64')], {
      publish: false,
    });
    bed.repository.moveTag(TAG, NEXT_COMMIT);
    const sidecars = [
      await bed.addSidecar('linux/amd64', { commit: NEXT_COMMIT }),
      await bed.addSidecar('linux/arm64', { commit: NEXT_COMMIT }),
    ];
    await Promise.all(sidecars.map((sidecar) => publish([sidecar])));
    expect(theRelease().draft).toBe(false);
    expect(names()).toEqual(WHOLE);
    expect(commitsOfRecords()).toEqual([NEXT_COMMIT, NEXT_COMMIT]);
  });

  it('is left as it is by a run whose own tag has moved on', async () => {
    bed.repository.moveTag(TAG, NEXT_COMMIT);
    await publish([await bed.addSidecar('linux/amd64', { commit: NEXT_COMMIT })]);
    const before = contentsOf(theRelease());
    bed.repository.moveTag(TAG, COMMIT);
    bed.github.fault = ({ url }) => {
      if (/\/releases\?/.test(url)) {
        bed.repository.moveTag(TAG, NEXT_COMMIT);
      }
      return undefined;
    };
    expect((await failureOf(publish([await bed.addSidecar('linux/arm64')]))).code).toBe('not-trusted');
    expect(contentsOf(theRelease())).toEqual(before);
  });
});

describe('what others have attached to a draft', () => {
  const foreign = [
    'changelog.pdf',
    'SHA256SUMS',
    'tool-linux-amd64.tar.gz',
    'smolmachine-linux-amd64.smolmachine.json',
    'undefined.json',
  ];

  it('survives, though sidecars beside it are stale or left over', async () => {
    await publish([await bed.addSidecar('linux/amd64', { key: OTHER_KEY })]);
    const staleRecord = theRelease().assets.find(({ name }) => name === `${OTHER_AMD64}.json`)?.content;
    for (const name of foreign) {
      addUploaded(name, staleRecord?.toString());
    }
    bed.repository.moveTag(TAG, NEXT_COMMIT);
    await publish([
      await bed.addSidecar('linux/amd64', { commit: NEXT_COMMIT }),
      await bed.addSidecar('linux/arm64', { commit: NEXT_COMMIT }),
    ]);
    expect(theRelease().draft).toBe(false);
    expect(names()).toEqual([...WHOLE, ...foreign].sort());
  });
});

describe('a file of a sidecar that has no record', () => {
  beforeEach(() => {
    bed.repository.createRelease(TAG, true);
  });

  it('is kept while its platform is missing, since its job may be bringing it', async () => {
    addUploaded(OTHER_AMD64);
    addUploaded(`${OTHER_AMD64}.sigstore.json`);
    bed.repository.addAsset(theRelease(), AMD64);
    expect(await publish([await bed.addSidecar('linux/arm64')])).toMatchObject({
      isDraft: true,
      missingPlatforms: ['linux/amd64'],
    });
    expect(deletions()).toEqual([]);
    expect(names()).toHaveLength(6);
  });

  it.each([true, false])('is not in the release that is complete (published: %s)', async (isPublished) => {
    addUploaded(OTHER_AMD64);
    addUploaded(`${AMD64}.sigstore.json`);
    addUploaded(`${OTHER_AMD64}.json`, 'x'.repeat(2 * 1024 * 1024));
    bed.repository.addAsset(theRelease(), OTHER_AMD64.replace('amd64', 'arm64'));
    const sidecars = [await bed.addSidecar('linux/amd64'), await bed.addSidecar('linux/arm64')];
    expect(await publish(sidecars, { publish: isPublished })).toMatchObject({ missingPlatforms: [] });
    expect(theRelease().draft).toBe(!isPublished);
    expect(names()).toEqual(WHOLE);
  });

  it('is not one of two that were packed for one platform from the same commit', async () => {
    await publish([await bed.addSidecar('linux/amd64', { key: OTHER_KEY })], { publish: false });
    const sidecars = [await bed.addSidecar('linux/amd64'), await bed.addSidecar('linux/arm64')];
    expect(await publish(sidecars)).toMatchObject({ isDraft: false, missingPlatforms: [] });
    expect(names()).toEqual([...WHOLE, OTHER_AMD64, `${OTHER_AMD64}.json`].sort());
  });

  it('keeps it a draft when nobody was said to bring its platform', async () => {
    addUploaded(ARM64);
    const amd64 = await bed.addSidecar('linux/amd64');
    expect(await publish([amd64], { expectedPlatforms: ['linux/amd64'] })).toMatchObject({
      isDraft: true,
      missingPlatforms: ['linux/arm64'],
    });
    expect(names()).toContain(ARM64);
  });
});

describe('a platform is missing', () => {
  type Change = (record: PackRecord) => unknown;
  const changes: ReadonlyArray<[string, Change]> = [
    ['of another commit', (record) => ({ ...record, source: { ...record.source, commit: NEXT_COMMIT } })],
    ['of another repository', (record) => ({ ...record, source: { ...record.source, repository: 'a/b' } })],
    ['of no workflow run', ({ source, ...record }) => record],
    ['of another platform', (record) => ({ ...record, platform: 'linux/amd64' })],
    ['of other inputs', (record) => ({ ...record, inputs: { ...record.inputs, key: OTHER_KEY } })],
    [
      'of another file',
      ({ sidecar, ...record }) => ({ ...record, sidecar: { ...sidecar, sha256: '0'.repeat(64) } }),
    ],
    ['of a later version', (record) => ({ ...record, version: 2 })],
    ['that is not a record', () => 'record'],
  ];

  it.each(changes)('while its record is one %s', async (_, change) => {
    const arm64 = await bed.addSidecar('linux/arm64');
    await publish([arm64]);
    const sums =
      theRelease()
        .assets.find(({ name }) => name === SUMS_ARM64)
        ?.content.toString() ?? '';
    const recordSum = contentsOf(theRelease())[`${ARM64}.json`] ?? '';
    // By then what is stale has been looked for.
    bed.github.uploadFault = () => {
      const record = Buffer.from(JSON.stringify(change(arm64.record)));
      replace(`${ARM64}.json`, { content: record });
      const newSums = sums.replace(recordSum, digestOf(record).replace('sha256:', ''));
      replace(SUMS_ARM64, { content: Buffer.from(newSums) });
      return undefined;
    };
    expect(await publish([await bed.addSidecar('linux/amd64')])).toMatchObject({
      isDraft: true,
      missingPlatforms: ['linux/arm64'],
    });
  });

  it.each([true, false])('while its sums are those of another record (digests: %s)', async (hasDigests) => {
    bed.github.hasDigests = hasDigests;
    const arm64 = await bed.addSidecar('linux/arm64');
    await publish([arm64]);
    replace(`${ARM64}.json`, { content: Buffer.from(JSON.stringify(arm64.record, undefined, 2)) });
    expect(await publish([await bed.addSidecar('linux/amd64')])).toMatchObject({
      missingPlatforms: ['linux/arm64'],
    });
  });

  it('while its sidecar is half there', async () => {
    await publish([await bed.addSidecar('linux/arm64')]);
    replace(ARM64, { state: 'starter' });
    expect(await publish([await bed.addSidecar('linux/amd64')])).toMatchObject({
      missingPlatforms: ['linux/arm64'],
    });
  });

  it('while its record is replaced, and gone when it is read', async () => {
    await publish([await bed.addSidecar('linux/arm64')]);
    const { assets } = theRelease();
    bed.github.fault = ({ url }) => {
      const index = assets.findIndex(({ id, name }) => url.endsWith(`/${id}`) && name === `${ARM64}.json`);
      assets.splice(index, index < 0 ? 0 : 1);
      return undefined;
    };
    expect(await publish([await bed.addSidecar('linux/amd64')])).toMatchObject({
      missingPlatforms: ['linux/arm64'],
    });
    expect(assets.map(({ name }) => name)).toContain(ARM64);
  });

  function replace(name: string, { content, state }: { content?: Buffer; state?: 'starter' }): void {
    const asset = theRelease().assets.find((each) => each.name === name) as Asset;
    asset.content = content ?? asset.content;
    asset.state = state ?? asset.state;
    asset.digest = bed.github.hasDigests && state === undefined ? digestOf(asset.content) : null;
  }
});

describe('of a published release', () => {
  it('nothing is deleted, and a sidecar of another commit does not get into it', async () => {
    await publish([await bed.addSidecar('linux/amd64')], { expectedPlatforms: ['linux/amd64'] });
    expect(theRelease().draft).toBe(false);
    addUploaded(OTHER_AMD64);
    bed.repository.moveTag(TAG, NEXT_COMMIT);
    const [before, changesBefore] = [contentsOf(theRelease()), bed.changes()];
    const error = await failureOf(publish([await bed.addSidecar('linux/arm64', { commit: NEXT_COMMIT })]));
    expect(error).toMatchObject({
      code: 'upload-failed',
      message: `the release is published, with files of another commit than ${NEXT_COMMIT}: ${AMD64}, ${SUMS_AMD64}, ${AMD64}.json`,
      hint: expect.stringContaining('new tag'),
    });
    expect(contentsOf(theRelease())).toEqual(before);
    expect(bed.changes()).toEqual(changesBefore);
  });

  it('nothing is deleted, though it was a draft when what is stale was looked for', async () => {
    await publish([await bed.addSidecar('linux/amd64')]);
    bed.repository.moveTag(TAG, NEXT_COMMIT);
    const before = contentsOf(theRelease());
    bed.github.fault = ({ url }) => {
      // What is asked last before an asset would be deleted.
      theRelease().draft &&= !/\/releases\/\d+$/.test(url);
      return undefined;
    };
    const error = await failureOf(publish([await bed.addSidecar('linux/arm64', { commit: NEXT_COMMIT })]));
    expect(error.message).toContain('of another commit');
    expect(contentsOf(theRelease())).toEqual(before);
  });

  it('nothing is deleted that was left over, when another job publishes it first', async () => {
    const sidecars = [await bed.addSidecar('linux/amd64'), await bed.addSidecar('linux/arm64')];
    bed.repository.createRelease(TAG, true);
    addUploaded(OTHER_AMD64);
    bed.github.fault = ({ url }) => {
      theRelease().draft &&= !/\/releases\/\d+$/.test(url);
      return undefined;
    };
    expect(await publish(sidecars)).toMatchObject({ isDraft: false });
    expect(deletions()).toEqual([]);
    expect(names()).toEqual([...WHOLE, OTHER_AMD64].sort());
  });
});
