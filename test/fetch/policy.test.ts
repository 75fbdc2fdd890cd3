import * as fs from 'node:fs/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BottleError } from '../../src/errors.ts';
import { type Demands, requireWanted } from '../../src/fetch/policy.ts';
import type { Offer } from '../../src/fetch/source.ts';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { publishedName } from '../../src/identity/published-name.ts';
import { formatRecord } from '../../src/sidecar/file.ts';
import { startGitHub } from '../doubles/github/github.ts';
import { publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { runCli } from '../helpers/cli.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { recordOf, SIDECAR, WANTED } from './published.ts';

const SEARCHED: Demands = { sameInputs: true, knownSource: true };
const NAMED: Demands = { sameInputs: true, knownSource: false };

/** The refusal of a record, or undefined. */
function refusalOf(
  record: PackRecord,
  demands: Demands,
  wanted = WANTED,
  hasRecord = true,
): BottleError | undefined {
  const content: Offer['content'] = { kind: 'local', path: '/none', ...record.sidecar };
  try {
    requireWanted(
      {
        record,
        hasRecord,
        content,
        address: 'release:v1',
        bundles: async () => [],
        frameIndex: async () => Buffer.of(),
      },
      wanted,
      demands,
    );
    return undefined;
  } catch (error) {
    if (error instanceof BottleError) {
      return error;
    }
    throw error;
  }
}

describe('a record that says nothing of where it was packed', () => {
  const record = recordOf(SIDECAR);

  test('is refused where it was searched for, with the command that takes it anyway', () => {
    expect(refusalOf(record, SEARCHED)).toMatchObject({
      code: 'not-trusted',
      message: 'release:v1 does not say which repository it was packed for',
      hint: expect.stringContaining('--from release:v1'),
    });
  });

  test('is taken from where the user has said, unless a commit is demanded', () => {
    expect(refusalOf(record, NAMED)).toBeUndefined();
    expect(refusalOf(record, { ...NAMED, commit: 'c'.repeat(40) })?.message).toContain(
      `the commit is not known, expected ${'c'.repeat(40)}`,
    );
  });

  test('is searched for by fetch without --from, and named with it', async () => {
    const github = await startGitHub();
    onTestFinished(() => github.close());
    const checkout = await sampleCheckout();
    const { path, record: published } = await publishFile(checkout);
    const { source: _, ...unknown } = published;
    const name = publishedName('linux/amd64', (await checkout.inputs()).key);
    github.addRepository('acme/tools').addRelease('v1', {
      [name]: await fs.readFile(path),
      [`${name}.json`]: formatRecord(unknown),
    });
    const fetch = async (...args: string[]) =>
      await runCli(['fetch', '--context', checkout.dir, '--platform', 'linux/amd64', '--no-bind', ...args], {
        ...github.env,
        HOME: await tempDir(),
        HTTPS_PROXY: 'http://127.0.0.1:9',
        GH_TOKEN: '',
      });
    const searched = await fetch();
    expect(searched.exitCode, searched.stderr).toBe(76);
    expect(searched.stderr).toContain('does not say which repository');
    expect(await fetch('--from', 'release:v1')).toMatchObject({ exitCode: 0 });
  }, 60_000);
});

test('a sidecar without a pack record is taken only where the user has named it', () => {
  const record = recordOf(SIDECAR);
  expect(refusalOf(record, { ...NAMED, takesWithoutRecord: true }, WANTED, false)).toBeUndefined();
  expect(refusalOf(record, NAMED, WANTED, false)).toMatchObject({
    code: 'not-found',
    message: 'release:v1 has no pack record',
  });
});

describe('a record of a repository', () => {
  const record = recordOf(SIDECAR, { runId: 1 });

  test('is taken for that repository, however it is written, and where none is known', () => {
    expect(refusalOf(record, SEARCHED)).toBeUndefined();
    expect(refusalOf(record, SEARCHED, { ...WANTED, repository: 'Acme/Tools' })).toBeUndefined();
    expect(refusalOf(record, NAMED, { ...WANTED, repository: undefined })).toBeUndefined();
  });

  test('is refused for another one wherever it is from', () => {
    const other = { ...WANTED, repository: 'acme/other' };
    for (const demands of [SEARCHED, NAMED]) {
      expect(refusalOf(record, demands, other)?.message).toContain('the repository is acme/tools');
    }
  });
});
