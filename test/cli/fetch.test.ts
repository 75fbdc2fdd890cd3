import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { publishedName } from '../../src/identity/published-name.ts';
import { formatRecord } from '../../src/sidecar/file.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { startGitHub } from '../doubles/github/github.ts';
import type { Claims } from '../doubles/sigstore/certificates.ts';
import { SigstoreDouble, workflowClaims } from '../doubles/sigstore/sigstore.ts';
import { type Checkout, publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { type CliResult, runCli } from '../helpers/cli.ts';
import { writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { bytesOf, statement, writeRoot } from '../trust/signed.ts';

/** An environment in which no source of the machine's user is asked, and no network. */
async function bench() {
  const home = await tempDir();
  const store = join(home, '.cache/claude-bottle/smolmachines');
  const checkout = await sampleCheckout();
  const cli = (command: string, ...args: string[]): Promise<CliResult> =>
    runCli([command, '--context', checkout.dir, '--platform', 'linux/amd64', ...args], {
      HOME: home,
      GH_TOKEN: '',
      GITHUB_TOKEN: '',
      HTTPS_PROXY: 'http://127.0.0.1:9',
    });
  const storeCli = (...args: string[]) => runCli(args, { HOME: home });
  return { home, store, checkout, cli, storeCli };
}

/** The sidecar as another file, which says the same, beside its record. */
async function distinct(record: PackRecord): Promise<string> {
  const target = join(await tempDir(), 'agent.smolmachine');
  await writeSample(target, ({ manifest }) => ({
    manifest: { ...manifest, created: '2026-11-24T00:00:00Z' },
  }));
  const { sha256, sizeBytes, crc32 } = await verifySidecar(target);
  await fs.writeFile(`${target}.json`, formatRecord({ ...record, sidecar: { sha256, sizeBytes, crc32 } }));
  return target;
}

/** What is in the store, but for directories. */
async function filesIn(store: string): Promise<string[]> {
  const names = await fs.readdir(store, { recursive: true, withFileTypes: true }).catch(() => []);
  return names.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
}

test('a sidecar in a file is fetched once, and then found without a source', async () => {
  const { store, checkout, cli } = await bench();
  const { path, record } = await publishFile(checkout);
  const stored = join(store, '.pack/objects/sha256', record.sidecar.sha256);

  const first = await cli('fetch', '--from', `file:${path}`, '--no-bind', '--json');
  expect(first.exitCode, first.stderr).toBe(0);
  expect(JSON.parse(first.stdout)).toMatchObject({
    status: 'fetched',
    key: record.inputs?.key,
    sha256: record.sidecar.sha256,
    path: stored,
    bound: null,
    nextStart: 'unknown',
  });
  expect(await fs.readFile(stored)).toEqual(await fs.readFile(path));
  expect((await fs.stat(stored)).mode & 0o777).toBe(0o444);
  expect(
    (await fs.readdir(store)).filter((name) => name !== '.pack'),
    'it has no name yet',
  ).toEqual([]);

  await fs.rm(path);
  const second = await cli('fetch', '--offline', '--no-bind', '--print-path');
  expect(second).toMatchObject({ exitCode: 0, stdout: `${stored}\n` });
  const found = await cli('path');
  expect(found).toMatchObject({ exitCode: 0, stdout: `${stored}\n`, stderr: '' });
});

test('the store keeps nothing of a download but the sidecar, its record and what says so', async () => {
  const { store, checkout, cli } = await bench();
  const { path, record } = await publishFile(checkout);
  await cli('fetch', '--from', `file:${path}`, '--no-bind');
  const { sha256 } = record.sidecar;
  const names = (await filesIn(store)).map((name) => name.replace(/^[0-9a-f]{64}\.u\.\d+\.\d+\./, 'entry '));
  expect(names.sort()).toEqual(['CACHEDIR.TAG', `entry ${sha256}`, sha256, `${sha256}.json`].sort());
});

describe('a fetch that is refused', () => {
  test.each([
    ['--sha256', 'f'.repeat(64), 76, /the SHA-256 is [0-9a-f]{64}, expected f{64}/],
    ['--commit', 'f'.repeat(40), 76, /the commit is [0-9a-f]{40}, expected f{40}/],
    ['--repo', 'acme/other', 76, /the repository is acme\/tools, expected acme\/other/],
    ['--platform', 'linux/arm64', 66, /is for linux\/amd64, not for linux\/arm64/],
    ['--sha256', 'abc', 64, /not a value for --sha256: "abc"/],
    ['--commit', 'HEAD', 64, /git rev-parse HEAD/],
    ['--repo', 'no-owner', 64, /use OWNER\/NAME/],
  ])('%s %s ends with %i and stores nothing', async (option, value, exitCode, message) => {
    const { store, checkout, cli } = await bench();
    const { path } = await publishFile(checkout);
    const result = await cli('fetch', '--from', `file:${path}`, '--no-bind', option, value);
    expect(result.exitCode, result.stderr).toBe(exitCode);
    expect(result.stderr).toMatch(message);
    expect(result.stderr).not.toMatch(/\n\s+at /);
    expect(await filesIn(store)).toEqual([]);
  });

  test('an unknown source is a usage error that lists the kinds', async () => {
    const { cli } = await bench();
    expect(await cli('fetch', '--from', 'ftp:x')).toMatchObject({
      exitCode: 64,
      stderr: expect.stringMatching(
        /unknown source "ftp:x"\n {2}try: use oci:REFERENCE, release:TAG, run:ID/,
      ),
    });
  });

  test('a damaged sidecar ends with 65 and stores nothing', async () => {
    const { store, checkout, cli } = await bench();
    const { path } = await publishFile(checkout);
    const bytes = await fs.readFile(path);
    bytes[200] = (bytes[200] ?? 0) ^ 1;
    await fs.writeFile(path, bytes);
    const result = await cli('fetch', '--from', `file:${path}`, '--no-bind');
    expect(result).toMatchObject({ exitCode: 65, stderr: expect.stringMatching(/CRC-32|SHA-256/) });
    expect((await filesIn(store)).filter((name) => name.includes('smolmachine'))).toEqual([]);
  });

  test('a store that others can write to ends with 78', async () => {
    const { store, checkout, cli } = await bench();
    const { path } = await publishFile(checkout);
    await fs.mkdir(store, { recursive: true });
    await fs.chmod(store, 0o777);
    expect(await cli('fetch', '--from', `file:${path}`, '--no-bind')).toMatchObject({ exitCode: 78 });
  });
});

test('a first fetch that is offline says so and names the key', async () => {
  const { checkout, cli } = await bench();
  const { key } = await checkout.inputs();
  const result = await cli('fetch', '--offline', '--no-bind');
  expect(result.exitCode).toBe(66);
  expect(result.stderr).toContain(
    'the store has no sidecar for this checkout, and --offline asks nobody else',
  );
  expect(result.stderr).toContain(`| inputs key ${key.slice(0, 16)}, `);
});

test('without a network a fetch ends with 69 and says it of each source', async () => {
  const { cli } = await bench();
  const result = await cli('fetch', '--no-bind');
  expect(result.exitCode, result.stderr).toBe(69);
  expect(result.stderr).toMatch(/error: no answer from https:\/\/ghcr\.io/);
  expect(result.stderr).toMatch(/workflow artifact +needs a GitHub token/);
}, 120_000);

test('a server that only the remote names is said to be a guess', async () => {
  const { checkout, cli } = await bench();
  const guess = "the checkout's remote names https://elsewhere.example;";
  await checkout.git('remote', 'set-url', 'origin', 'git@elsewhere.example:acme/tools.git');
  const result = await cli('fetch', '--no-bind');
  expect(result.exitCode, result.stderr).toBe(69);
  expect(result.stderr).toContain(`${guess} if another one is meant: --github-url`);
  const named = await cli('fetch', '--no-bind', '--github-url', 'https://elsewhere.example');
  expect(named.stderr).not.toContain(guess);
}, 120_000);

test('the cause and what to do are in the JSON of a failure, too', async () => {
  const { cli } = await bench();
  const result = await cli('fetch', '--from', 'file:/no/such/file', '--no-bind', '--json');
  expect(JSON.parse(result.stdout)).toMatchObject({
    code: 'not-found',
    exit: 66,
    message: 'there is no file /no/such/file.json',
    try: [expect.stringContaining('check the path'), expect.stringMatching(/^claude-bottle pack {2}# /)],
    details: [expect.stringMatching(/^inputs key /)],
  });
});

test('a dry run finds it and writes nothing', async () => {
  const { store, checkout, cli } = await bench();
  const { path, record } = await publishFile(checkout);
  const result = await cli('fetch', '--from', `file:${path}`, '--dry-run', '--json');
  expect(JSON.parse(result.stdout)).toMatchObject({
    status: 'available',
    address: `file:${path}`,
    sizeBytes: record.sidecar.sizeBytes,
  });
  await expect(fs.stat(store)).rejects.toThrow(/ENOENT/);
});

test('other inputs are a miss, and stored as they are with --no-bind', async () => {
  const { checkout, cli } = await bench();
  const { path } = await publishFile(checkout);
  await fs.writeFile(join(checkout.dir, 'agent.txt'), 'changed\n');
  const refused = await cli('fetch', '--from', `file:${path}`);
  expect(refused).toMatchObject({ exitCode: 66, stderr: expect.stringMatching(/packed from other inputs/) });
  const stored = await cli('fetch', '--from', `file:${path}`, '--no-bind');
  expect(stored.exitCode, stored.stderr).toBe(0);
  expect(await cli('path')).toMatchObject({ exitCode: 66 });
});

test('--quiet leaves only the result', async () => {
  const { checkout, cli } = await bench();
  const { path } = await publishFile(checkout);
  const result = await cli('fetch', '--from', `file:${path}`, '--no-bind', '--quiet');
  expect(result.stderr).toBe('');
  expect(result.stdout).toMatch(/^In the store \(.*\), but not linked .*\n\/.*\n$/);
});

test('a damaged sidecar in the store goes to quarantine and is fetched again', async () => {
  const { checkout, cli } = await bench();
  const { path } = await publishFile(checkout);
  await cli('fetch', '--from', `file:${path}`, '--no-bind');
  const stored = (await cli('path')).stdout.trim();
  const bytes = await fs.readFile(stored);
  bytes[200] = (bytes[200] ?? 0) ^ 1;
  await fs.chmod(stored, 0o644);
  await fs.writeFile(stored, bytes);
  const again = await cli('fetch', '--from', `file:${path}`, '--no-bind');
  expect(again.exitCode, again.stderr).toBe(0);
  expect(again.stderr).toMatch(/CRC-32.*moved to .*quarantine/);
  expect(await fs.readFile(stored)).toEqual(await fs.readFile(path));
});

test('what a record without a repository has brought is found again', async () => {
  const { checkout, cli } = await bench();
  const { path, record } = await publishFile(checkout);
  await fs.writeFile(`${path}.json`, formatRecord({ ...record, source: undefined }));
  expect((await cli('fetch', '--from', `file:${path}`, '--no-bind')).exitCode).toBe(0);
  const again = await cli('fetch', '--offline', '--no-bind', '--json');
  expect(JSON.parse(again.stdout)).toMatchObject({ status: 'hit', sha256: record.sidecar.sha256 });
});

describe('the lock file', () => {
  async function locked() {
    const world = await bench();
    const { checkout, home } = world;
    const amd64 = await publishFile(checkout, 'linux/amd64');
    const github = await startGitHub();
    onTestFinished(() => github.close());
    const name = publishedName('linux/amd64', (await checkout.inputs()).key);
    const repository = github.addRepository('acme/tools');
    const release = async (tag: string, { path }: { path: string }) =>
      repository.addRelease(tag, {
        [name]: await fs.readFile(path),
        [`${name}.json`]: await fs.readFile(`${path}.json`),
      });
    await release('v1', amd64);
    const env = { HOME: home, GH_TOKEN: '', GITHUB_TOKEN: '', ...github.env };
    const cli = (command: string, ...args: string[]) =>
      runCli([command, '--context', checkout.dir, '--platform', 'linux/amd64', ...args], env);
    const result = await cli('lock', '--from', 'release:v1');
    return { ...world, cli, amd64, release, result, lockPath: join(checkout.dir, 'claude-bottle.lock') };
  }

  test('says what a platform has, and fetch --locked takes just that', async () => {
    const { result, lockPath, amd64, checkout, cli } = await locked();
    expect(result.exitCode, result.stderr).toBe(0);
    expect(JSON.parse(await fs.readFile(lockPath, 'utf8'))).toEqual({
      version: 1,
      platforms: {
        'linux/amd64': {
          commit: await checkout.git('rev-parse', 'HEAD'),
          key: amd64.record.inputs?.key,
          sha256: amd64.record.sidecar.sha256,
          sizeBytes: amd64.record.sidecar.sizeBytes,
          address: 'release:v1',
        },
      },
    });
    const fetched = await cli('fetch', '--locked', '--no-bind');
    expect(fetched.exitCode, fetched.stderr).toBe(0);
  });

  test('another sidecar at the address ends with 76', async () => {
    const { checkout, cli, lockPath } = await locked();
    const lockFile = await fs.readFile(lockPath, 'utf8');
    const { sha256 } = JSON.parse(lockFile).platforms['linux/amd64'];
    await fs.writeFile(lockPath, lockFile.replace(sha256, '9'.repeat(64)));
    expect(await checkout.git('status', '--short')).toContain('claude-bottle.lock');
    expect(await cli('fetch', '--locked', '--no-bind')).toMatchObject({
      exitCode: 76,
      stderr: expect.stringMatching(/the SHA-256 is [0-9a-f]{64}, expected 9{64}/),
    });
  });

  test('cannot name a file', async () => {
    const { amd64, cli } = await locked();
    expect(await cli('lock', '--from', `file:${amd64.path}`)).toMatchObject({
      exitCode: 76,
      stderr: expect.stringMatching(/claude-bottle\.lock cannot name "file:/),
    });
  });

  test('changed inputs end with 76', async () => {
    const { checkout, cli } = await locked();
    await fs.writeFile(join(checkout.dir, 'agent.txt'), 'changed\n');
    expect(await cli('fetch', '--locked', '--no-bind')).toMatchObject({
      exitCode: 76,
      stderr: expect.stringMatching(/was written for [0-9a-f]{64}/),
    });
  });

  test('one that would go into the build is refused', async () => {
    const { home } = await bench();
    const checkout = await sampleCheckout('FROM scratch\nCOPY . /\n');
    await fs.writeFile(join(checkout.dir, 'claude-bottle.lock'), '{}');
    const result = await runCli(['lock', '--context', checkout.dir, '--from', 'release:v1'], {
      HOME: home,
    });
    expect(result).toMatchObject({
      exitCode: 64,
      stderr: expect.stringMatching(/list claude-bottle\.lock in \.dockerignore/),
    });
  });

  test('finds what it locks in the store, though something newer is there for the same inputs', async () => {
    const { amd64, checkout, cli } = await locked();
    await cli('fetch', '--locked', '--no-bind');
    const newer = await publishFile(checkout, 'linux/amd64', { packedAt: '2099-01-01T00:00:00.000Z' });
    const record = { ...newer.record, image: { ...newer.record.image, id: `sha256:${'2'.repeat(64)}` } };
    const path = await distinct(record);
    expect(await cli('fetch', '--from', `file:${path}`, '--no-bind')).toMatchObject({ exitCode: 0 });
    const result = await cli('fetch', '--locked', '--offline', '--no-bind', '--json');
    expect(JSON.parse(result.stdout), result.stderr).toMatchObject({
      status: 'hit',
      sha256: amd64.record.sidecar.sha256,
    });
  });

  test('none, or none that can be read, is said', async () => {
    const { checkout, cli } = await bench();
    expect(await cli('fetch', '--locked')).toMatchObject({ exitCode: 66 });
    await fs.writeFile(join(checkout.dir, 'claude-bottle.lock'), '{"version": 2}');
    expect(await cli('fetch', '--locked')).toMatchObject({
      exitCode: 65,
      stderr: expect.stringMatching(/is not a lock file of version 1, because version is not valid/),
    });
  });
});

describe('key --against', () => {
  async function against(checkout: Checkout, path: string, ...args: string[]): Promise<string[]> {
    const { stdout } = await runCli([
      ...['key', '--context', checkout.dir, '--platform', 'linux/amd64', '--against', path, '--json'],
      ...args,
    ]);
    return JSON.parse(stdout).differences;
  }

  test('names each part that differs, and the files that git knows', async () => {
    const checkout = await sampleCheckout('FROM scratch\nARG A\nCOPY agent.txt other*.txt /\n');
    const path = `${(await publishFile(checkout)).path}.json`;
    expect(await against(checkout, path)).toEqual([]);
    await fs.writeFile(join(checkout.dir, 'README.md'), 'changed, and not in the image\n');
    expect(await against(checkout, path)).toEqual([]);
    await fs.writeFile(join(checkout.dir, 'agent.txt'), 'changed\n');
    await fs.writeFile(join(checkout.dir, 'other-é.txt'), 'new\n');
    const files = [
      'other-é.txt is not tracked by git, and part of the build: commit it, or add other-é.txt to .dockerignore',
      'agent.txt has changed and is not committed: git stash  # or commit it',
    ];
    expect(await against(checkout, path)).toEqual(files);
    expect(await against(checkout, path, '--build-arg', 'A=1', '--platform', 'linux/arm64')).toEqual([
      'the platform is linux/arm64 here, and linux/amd64 where it was packed',
      'the build arguments are set here, and not set where it was packed',
      ...files,
    ]);
    await fs.appendFile(join(checkout.dir, 'Dockerfile'), 'LABEL a=b\n');
    expect(await against(checkout, path)).toContain(
      'Dockerfile has changed and is not committed: git stash  # or commit it',
    );
  });

  test('without the commit names what is not committed, and says that it lacks the rest', async () => {
    const checkout = await sampleCheckout();
    const { path } = await publishFile(checkout, 'linux/amd64');
    const record = JSON.parse(await fs.readFile(`${path}.json`, 'utf8'));
    record.source.commit = 'a'.repeat(40);
    await fs.writeFile(`${path}.json`, JSON.stringify(record));
    await fs.writeFile(join(checkout.dir, 'agent.txt'), 'changed\n');
    expect(await against(checkout, `${path}.json`)).toEqual([
      expect.stringMatching(/^agent\.txt has changed/),
      expect.stringMatching(/^this clone does not have commit a{12}, .*: git fetch/),
    ]);
  });
});

describe('ls and prune', () => {
  test('show what there is, and remove only what was not used for long', async () => {
    const { checkout, cli, storeCli } = await bench();
    expect(await storeCli('ls')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^no sidecars in /),
    });
    const { path, record } = await publishFile(checkout);
    await cli('fetch', '--from', `file:${path}`, '--no-bind');
    const [header, row, total] = (await storeCli('ls')).stdout.split('\n');
    expect(header).toMatch(/^IMAGE +COMMIT +PLATFORM +SIZE +USED +SIGNED BY$/);
    const commit = record.source?.commit.slice(0, 12);
    expect(row).toMatch(new RegExp(`^- +${commit} +linux/amd64 +\\S+ .B +now +nobody, for acme/tools$`));
    expect(total).toMatch(/^1 sidecar, \S+ .B in \//);
    const kept = await storeCli('prune', '--older-than', '1h', '--keep', '0');
    expect(kept.stdout).toMatch(/^kept .*within the limits\n0 B freed\n$/);
    const dry = await storeCli('prune', '--max-size', '0MB', '--keep', '0', '--dry-run');
    expect(dry.stdout).toMatch(/^would go .*over the size\n.* would be freed\n$/);
    expect(await cli('path')).toMatchObject({ exitCode: 0 });
    const done = await storeCli('prune', '--max-size', '0MB', '--keep', '0');
    expect(done.stdout).toMatch(/^removed .*over the size\n.* freed\n$/);
    expect(await cli('path')).toMatchObject({ exitCode: 66 });
  });

  test.each([
    [['prune'], /prune needs a limit/],
    [['prune', '--older-than', '3'], /hours, days or weeks/],
    [['prune', '--max-size', '3 GB'], /MB, GB or TB/],
  ])('%j ends with 64', async (args, message) => {
    const { storeCli } = await bench();
    expect(await storeCli(...args)).toMatchObject({ exitCode: 64, stderr: expect.stringMatching(message) });
  });
});

describe('provenance', () => {
  const sigstore = new SigstoreDouble();

  /** A published sidecar that a workflow of acme/tools has signed, together with its record. */
  async function signed(claims: Claims = {}) {
    const world = await bench();
    const { checkout, home } = world;
    const file = await publishFile(checkout);
    const sign = async (more: Claims = {}) => {
      const bundle = sigstore.sign(statement({}, file.record), {
        claims: await claimsOf(checkout, { ...claims, ...more }),
      });
      await fs.writeFile(`${file.path}.sigstore.json`, bytesOf(bundle));
    };
    await sign();
    const root = await writeRoot(home, sigstore);
    const fetch = (...args: string[]) =>
      world.cli('fetch', '--from', `file:${file.path}`, '--no-bind', '--trusted-root', root, ...args);
    return { ...world, file, sign, fetch };
  }

  async function claimsOf(checkout: Checkout, changes: Claims): Promise<Claims> {
    const repository = 'https://github.com/acme/tools';
    return workflowClaims({
      9: `${repository}/.github/workflows/pack.yml@refs/heads/main`,
      12: repository,
      13: await checkout.git('rev-parse', 'HEAD'),
      18: `${repository}/.github/workflows/pack.yml@refs/heads/main`,
      21: `${repository}/actions/runs/1000/attempts/1`,
      ...changes,
    });
  }

  test('is verified, shown, and from then on required', async () => {
    const { checkout, file, store, fetch } = await signed();
    const first = await fetch('--json');
    expect(first.exitCode, first.stderr).toBe(0);
    expect(JSON.parse(first.stdout).provenance).toMatchObject({
      repository: 'https://github.com/acme/tools',
      ref: 'refs/heads/main',
      commit: await checkout.git('rev-parse', 'HEAD'),
    });
    await fs.rm(`${file.path}.sigstore.json`);
    await fs.rm(join(store, '.pack/objects/sha256', file.record.sidecar.sha256));
    expect(await fetch()).toMatchObject({
      exitCode: 76,
      stderr: expect.stringMatching(/acme\/tools has published with provenance before/),
    });
    expect(await fetch('--provenance', 'off')).toMatchObject({ exitCode: 0 });
  });

  test('of another workflow, another ref or another repository is refused before the download', async () => {
    for (const [claims, message] of [
      [{ 14: 'refs/pull/1/merge' }, /the ref is "refs\/pull\/1\/merge", expected a tag or refs\/heads\/main/],
      [{ 12: 'https://github.com/acme/other' }, /the repository is "https:\/\/github\.com\/acme\/other"/],
      [{ 11: 'self-hosted' }, /the runner is "self-hosted", expected github-hosted/],
      [{ 13: 'b'.repeat(40) }, /the commit of the pack record is/],
    ] as const) {
      const { store, fetch } = await signed(claims);
      const result = await fetch();
      expect(result.exitCode, result.stderr).toBe(76);
      expect(result.stderr).toMatch(message);
      expect(await filesIn(store)).toEqual([]);
    }
  });

  test('does not cover a record that was changed, or a sidecar that was', async () => {
    const { file, fetch } = await signed();
    const record = JSON.parse(await fs.readFile(`${file.path}.json`, 'utf8'));
    await fs.writeFile(`${file.path}.json`, JSON.stringify({ ...record, packedAt: '2020-01-01T00:00:00Z' }));
    expect(await fetch()).toMatchObject({ exitCode: 76, stderr: expect.stringMatching(/pack record/) });
  });

  test('is verified by verify too, for a file and for what is in the store', async () => {
    const { checkout, file, home, storeCli, fetch } = await signed();
    await fetch();
    const args = ['--context', checkout.dir, '--trusted-root', join(home, 'trusted-root.jsonl'), '--json'];
    for (const what of [file.path, '--all']) {
      const result = await storeCli('verify', what, ...args);
      const verdict = [JSON.parse(result.stdout)].flat()[0];
      expect(verdict.provenance, result.stderr).toMatchObject({
        repository: 'https://github.com/acme/tools',
      });
      const other = await storeCli('verify', what, ...args, '--repo', 'acme/other');
      expect(other.exitCode).toBe(76);
    }
    await fs.rm(`${file.path}.sigstore.json`);
    const unsigned = await storeCli('verify', file.path, ...args, '--provenance', 'required');
    expect(unsigned).toMatchObject({ exitCode: 76, stderr: expect.stringMatching(/no provenance/) });
  });

  test('of an older run is refused, unless it is asked for', async () => {
    const { store, file, sign, fetch } = await signed();
    expect(await fetch()).toMatchObject({ exitCode: 0 });
    await sign({ 21: 'https://github.com/acme/tools/actions/runs/999/attempts/1' });
    await fs.rm(join(store, '.pack/objects/sha256', file.record.sidecar.sha256));
    expect(await fetch()).toMatchObject({ exitCode: 76, stderr: expect.stringMatching(/rollback/) });
    expect(await fetch('--allow-older')).toMatchObject({ exitCode: 0 });
  });

  test('that is required and not there ends with 76 and stores nothing', async () => {
    const { checkout, cli, store } = await bench();
    const { path } = await publishFile(checkout);
    const result = await cli('fetch', '--from', `file:${path}`, '--no-bind', '--provenance', 'required');
    expect(result).toMatchObject({
      exitCode: 76,
      stderr: expect.stringMatching(/no provenance, and one is required/),
    });
    expect(await filesIn(store)).toEqual([]);
  });

  test('that is required is asked of what is in the store too', async () => {
    const { file, fetch } = await signed();
    const bundle = await fs.readFile(`${file.path}.sigstore.json`);
    await fs.rm(`${file.path}.sigstore.json`);
    expect(await fetch('--json')).toMatchObject({ exitCode: 0 });
    expect(await fetch('--provenance', 'required', '--offline')).toMatchObject({ exitCode: 66 });
    await fs.writeFile(`${file.path}.sigstore.json`, bundle);
    const again = await fetch('--provenance', 'required', '--json');
    expect(JSON.parse(again.stdout).provenance, again.stderr).not.toBeNull();
    expect(await fetch('--provenance', 'required', '--offline')).toMatchObject({ exitCode: 0 });
  });

  test('no environment variable switches it off', async () => {
    const { home, checkout, file, fetch } = await signed({ 11: 'self-hosted' });
    expect(await fetch()).toMatchObject({ exitCode: 76 });
    const names = [
      'PROVENANCE',
      'TRUSTED_ROOT',
      'ALLOW_SELF_HOSTED',
      'ALLOW_OLDER',
      'SKIP_VERIFY',
      'SIGNER_WORKFLOW',
    ];
    const result = await runCli(
      [
        'fetch',
        '--context',
        checkout.dir,
        '--platform',
        'linux/amd64',
        '--from',
        `file:${file.path}`,
        '--no-bind',
      ],
      { HOME: home, ...Object.fromEntries(names.map((name) => [`CLAUDE_BOTTLE_${name}`, 'off'])) },
    );
    expect(result.exitCode).toBe(76);
  });
});
