import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ImageId, parseImageId } from '../../src/identity/image-id.ts';
import { formatRecord } from '../../src/sidecar/file.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { Store } from '../../src/store/store.ts';
import type { Claims } from '../doubles/sigstore/certificates.ts';
import { SigstoreDouble, workflowClaims } from '../doubles/sigstore/sigstore.ts';
import { type Checkout, publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { runCli } from '../helpers/cli.ts';
import { fixedEngine } from '../helpers/fixed-engine.ts';
import { writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { installSample } from '../store/sample-store.ts';
import { bytesOf, statement, writeRoot } from '../trust/signed.ts';

const DOUBLE = new SigstoreDouble();

interface Verdict {
  readonly path: string;
  readonly exit: number;
  readonly origin?: string;
  readonly error?: string;
  readonly nameRemoved?: true;
  readonly provenance: { readonly repository: string } | null;
}

/** A machine whose store gets sidecars of several repositories, and a checkout of acme/tools. */
async function machine() {
  const home = await tempDir();
  const root = await writeRoot(home, DOUBLE);
  const checkout = await sampleCheckout();
  const engine = await fixedEngine(imageId('0'));
  const run = (...args: string[]) =>
    runCli(args, { HOME: home, GH_TOKEN: '', GITHUB_TOKEN: '', ...engine.env });
  const verify = async (...args: string[]) => {
    const result = await run('verify', '--context', checkout.dir, '--trusted-root', root, '--json', ...args);
    const verdicts: Verdict[] = result.stdout === '' ? [] : [JSON.parse(result.stdout)].flat();
    return { ...result, verdicts };
  };
  /** Fetched as that repository's, and bound unless the arguments say not to; `digit` makes it another image. */
  const fetch = async (repository: string, digit: string, sign?: Claims, ...args: string[]) => {
    const file = await publishFor(checkout, repository, digit, sign);
    await engine.build(imageId(digit));
    const result = await run(
      ...['fetch', '--context', checkout.dir, '--json', '--sha256', file.record.sidecar.sha256],
      ...['--repo', repository, '--from', `file:${file.path}`, '--trusted-root', root, ...args],
    );
    expect(result.exitCode, result.stderr).toBe(0);
    const stored: string = JSON.parse(result.stdout).path;
    return { ...file, stored, id: digit.repeat(16) };
  };
  const store = join(home, '.cache/claude-bottle/smolmachines');
  const ours = join(store, '.pack');
  return { checkout, store, ours, run, verify, fetch };
}

function imageId(digit: string): ImageId {
  return parseImageId(`sha256:${digit.repeat(64)}`);
}

async function publishFor(checkout: Checkout, repository: string, digit: string, sign?: Claims) {
  const commit = await checkout.git('rev-parse', 'HEAD');
  const source = { repository, commit, ref: 'refs/heads/main', event: 'push', runId: '1', runAttempt: 1 };
  const image = { id: imageId(digit), layers: [], runtimeConfigSha256: '0'.repeat(64) };
  const path = join(await tempDir(), 'agent.smolmachine');
  await writeSample(path, ({ manifest }) => ({
    manifest: { ...manifest, created: `2026-11-23T00:00:0${digit}Z` },
  }));
  const { sha256, sizeBytes, crc32 } = await verifySidecar(path);
  const sidecar = { sha256, sizeBytes, crc32 };
  const { record } = await publishFile(checkout, 'linux/amd64', { image, source, sidecar });
  await fs.writeFile(`${path}.json`, formatRecord(record));
  const file = { path, record };
  if (sign !== undefined) {
    const uri = `https://github.com/${repository}`;
    const claims = workflowClaims({
      9: `${uri}/.github/workflows/pack.yml@refs/heads/main`,
      12: uri,
      13: commit,
      18: `${uri}/.github/workflows/pack.yml@refs/heads/main`,
      21: `${uri}/actions/runs/1/attempts/1`,
      ...sign,
    });
    const bundle = DOUBLE.sign(statement({}, file.record), { claims });
    await fs.writeFile(`${file.path}.sigstore.json`, bytesOf(bundle));
  }
  return file;
}

function exitOf(verdicts: readonly Verdict[], path: string): number | undefined {
  return verdicts.find((verdict) => verdict.path === path)?.exit;
}

describe('what is in the store', () => {
  test('is judged by the origin that it was fetched for, each by its own', async () => {
    const { fetch, verify } = await machine();
    const tools = await fetch('acme/tools', '1', {});
    const other = await fetch('else/where', '2', { 15: '5000', 17: '50' });
    const unnamed = await fetch('acme/tools', '3', {}, '--no-bind');
    const { verdicts, exitCode, stderr } = await verify('--all');
    expect(exitCode, stderr).toBe(0);
    const signers = new Map(verdicts.map(({ path, provenance }) => [path, provenance?.repository]));
    expect(signers.get(tools.stored)).toBe('https://github.com/acme/tools');
    expect(signers.get(other.stored)).toBe('https://github.com/else/where');
    expect(signers.get(unnamed.stored)).toBe('https://github.com/acme/tools');
    expect(verdicts.map(({ origin }) => origin).sort()).toEqual([
      ...['github.com/acme/tools', 'github.com/acme/tools', 'github.com/else/where'],
    ]);
    expect((await verify(other.id)).exitCode).toBe(0);
  });

  test('may be of a branch that was accepted of its repository when it came, and of no other', async () => {
    const { fetch, verify, ours } = await machine();
    const trunk = await fetch('else/where', '2', { 14: 'refs/heads/trunk' }, '--branch', 'trunk');
    expect((await verify('--all')).exitCode).toBe(0);
    const [name = ''] = await fs.readdir(join(ours, 'trust'));
    const memory = await fs.readFile(join(ours, 'trust', name), 'utf8');
    await rewrite(join(ours, 'trust', name), memory.replace('"trunk"', '"next"'));
    const { verdicts } = await verify('--all');
    expect(exitOf(verdicts, trunk.stored)).toBe(76);
    expect(verdicts[0]?.error).toContain('the ref is "refs/heads/trunk"');
  });

  test('is all judged by --repo, and what is not of it does not end the list', async () => {
    const { fetch, verify } = await machine();
    const tools = await fetch('acme/tools', '1', {});
    const other = await fetch('else/where', '2', { 15: '5000', 17: '50' });
    for (const [repository, good, bad] of [
      ['acme/tools', tools, other],
      ['else/where', other, tools],
    ] as const) {
      const { verdicts, exitCode } = await verify('--all', '--repo', repository);
      expect(exitCode).toBe(76);
      expect([exitOf(verdicts, good.stored), exitOf(verdicts, bad.stored)]).toEqual([0, 76]);
    }
  });

  test('without a signature is not accepted of a repository that signs, and is of others', async () => {
    const { fetch, verify, ours } = await machine();
    const unsigned = await fetch('else/where', '2');
    const signed = await fetch('acme/tools', '1', {});
    expect((await verify('--all')).exitCode).toBe(0);
    await removeOnlyFile(join(ours, 'bundles'));
    expect((await verify('--all', '--provenance', 'off')).exitCode).toBe(0);
    const { verdicts, exitCode } = await verify('--all');
    expect(exitCode).toBe(76);
    expect([exitOf(verdicts, signed.stored), exitOf(verdicts, unsigned.stored)]).toEqual([76, 0]);
    expect(verdicts.find(({ path }) => path === signed.stored)).toMatchObject({
      error: expect.stringContaining('acme/tools has published with provenance before'),
      nameRemoved: true,
    });
    // claude-bottle must not start it.
    await expect(fs.access(signed.stored)).rejects.toThrow('ENOENT');
  });

  test('is not accepted of another repository that has had the name before', async () => {
    const { fetch, verify, ours } = await machine();
    const former = await fetch('acme/tools', '1', {});
    await removeOnlyFile(join(ours, 'trust'));
    await fetch('acme/tools', '2', { 15: '5000', 17: '50' });
    const { exitCode, verdicts } = await verify(former.id);
    expect(exitCode).toBe(76);
    expect(verdicts[0]?.error).toContain('repository ID is "4711", expected 5000');
  });

  test('is not accepted with a signature of another record than the one that is written down', async () => {
    const { fetch, verify, ours } = await machine();
    const { record, id } = await fetch('acme/tools', '1', {});
    const path = join(ours, 'catalog', `${record.sidecar.sha256}.json`);
    const catalog = await fs.readFile(path, 'utf8');
    await rewrite(path, catalog.replace('"linux/amd64"', '"linux/arm64"'));
    const { exitCode, verdicts } = await verify(id);
    expect(exitCode).toBe(76);
    expect(verdicts[0]?.error).toMatch(/pack record/);
  });

  test('that was packed here need not be signed', async () => {
    const { verify, fetch, store } = await machine();
    await fetch('acme/tools', '1', {});
    await installSample(await Store.open(store), { id: imageId('3') });
    const { exitCode, verdicts } = await verify('3'.repeat(16));
    expect(exitCode).toBe(0);
    expect(verdicts).toMatchObject([{ origin: 'packed here', provenance: null }]);
  });

  test('is not accepted when what is remembered of its repository cannot be read', async () => {
    const { fetch, verify, ours } = await machine();
    const signed = await fetch('acme/tools', '1', {});
    const other = await fetch('else/where', '2');
    const [name = ''] = await fs.readdir(join(ours, 'trust'));
    await fs.writeFile(join(ours, 'trust', name), '{');
    expect((await verify('--all', '--provenance', 'off')).exitCode).toBe(0);
    const { verdicts } = await verify('--all');
    expect([exitOf(verdicts, signed.stored), exitOf(verdicts, other.stored)]).toEqual([76, 0]);
    expect(verdicts.find(({ path }) => path === signed.stored)?.error).toContain(name);
  });
});

describe('a file', () => {
  test('is judged by the repository of the checkout, and by --repo', async () => {
    const { checkout, verify } = await machine();
    const { path } = await publishFor(checkout, 'acme/tools', '1', {});
    expect((await verify(path)).verdicts[0]?.provenance?.repository).toBe('https://github.com/acme/tools');
    expect((await verify(path, '--repo', 'else/where')).exitCode).toBe(76);
  });

  test('that a signature is beside is not accepted where the repository that must have signed is unknown', async () => {
    const { checkout, run } = await machine();
    const { path } = await publishFor(checkout, 'acme/tools', '1', {});
    const outside = await tempDir();
    const result = await run('verify', '--context', outside, path);
    expect(result).toMatchObject({ exitCode: 76, stderr: expect.stringContaining('--repo OWNER/NAME') });
    expect(await run('verify', '--context', outside, path, '--provenance', 'off')).toMatchObject({
      exitCode: 0,
    });
  });
});

describe('--signer-workflow', () => {
  test('names a workflow of any ref, or with @ of just that one', async () => {
    const { checkout, verify } = await machine();
    const workflow = 'tools/ci/.github/workflows/pack.yml';
    const { path } = await publishFor(checkout, 'acme/tools', '1', {
      9: `https://github.com/${workflow}@refs/tags/v1`,
    });
    const exitWith = async (value: string) => (await verify(path, '--signer-workflow', value)).exitCode;
    expect(await exitWith(workflow)).toBe(0);
    expect(await exitWith(`${workflow}@refs/tags/v1`)).toBe(0);
    expect(await exitWith(`${workflow}@refs/tags/v2`)).toBe(76);
  });

  test.each(['pack.yml', 'tools/ci/.github/workflows/pack.yml@', 'tools/ci/.github/workflows/pack.yml@a b'])(
    '%j is a usage error, once for the whole store',
    async (value) => {
      const { fetch, verify } = await machine();
      await fetch('acme/tools', '1', {});
      const { exitCode, stdout } = await verify('--all', '--signer-workflow', value);
      expect(exitCode).toBe(64);
      expect(JSON.parse(stdout)).toMatchObject({ code: 'usage' });
    },
  );
});

test('verify has no --allow-older: what is in the store may be of any age', async () => {
  const { run } = await machine();
  expect(await run('verify', '--all', '--allow-older')).toMatchObject({ exitCode: 64 });
});

async function rewrite(path: string, content: string | Buffer): Promise<void> {
  await fs.rm(path);
  await fs.writeFile(path, content);
}

async function removeOnlyFile(dir: string): Promise<void> {
  const names = await fs.readdir(dir);
  expect(names).toHaveLength(1);
  await fs.rm(join(dir, names.join()));
}
