import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { SigstoreDouble, workflowClaims } from '../doubles/sigstore/sigstore.ts';
import { type Checkout, type PublishedFile, publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { type CliResult, runCli } from '../helpers/cli.ts';
import { fixedEngine } from '../helpers/fixed-engine.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { bytesOf, statement, writeRoot } from '../trust/signed.ts';

const IMAGE_IDS = { 'linux/amd64': `sha256:${'1'.repeat(64)}`, 'linux/arm64': `sha256:${'2'.repeat(64)}` };
/** What a build of the checkout gives on every machine here. */
const LOCAL = `sha256:${'3'.repeat(64)}`;
const DOUBLE = new SigstoreDouble();

/** A machine of its own, without a network: whatever it asks for ends at a closed port. */
async function machine({ dir }: Checkout) {
  const home = await tempDir();
  const engine = await fixedEngine(LOCAL);
  const env = {
    HOME: home,
    GH_TOKEN: '',
    GITHUB_TOKEN: '',
    HTTPS_PROXY: 'http://127.0.0.1:9',
    ...engine.env,
  };
  const cli = (...args: string[]): Promise<CliResult> => runCli(args, env);
  const fetch = (path: string, platform: string, ...args: string[]) =>
    cli('fetch', '--context', dir, '--platform', platform, '--no-bind', '--from', `file:${path}`, ...args);
  return { cli, fetch };
}

/** A machine whose store has the checkout's sidecars, and a directory to export them to. */
async function exporter(...platforms: PackRecord['platform'][]) {
  const checkout = await sampleCheckout();
  const here = await machine(checkout);
  const published: PublishedFile[] = [];
  for (const platform of platforms) {
    const image = { id: IMAGE_IDS[platform], layers: [], runtimeConfigSha256: '0'.repeat(64) };
    const file = await publishFile(checkout, platform, { image });
    published.push(file);
    await done(here.fetch(file.path, platform));
  }
  const out = join(await tempDir(), 'stick');
  return { checkout, here, published, out };
}

async function done(result: Promise<CliResult>): Promise<CliResult> {
  const ended = await result;
  expect(ended.exitCode, ended.stderr).toBe(0);
  return ended;
}

test('what one machine exports, another fetches without a network', async () => {
  const { checkout, here, published, out } = await exporter('linux/amd64', 'linux/arm64');
  const { stdout } = await done(here.cli('export', out, '--context', checkout.dir, '--json'));
  const { sidecars } = JSON.parse(stdout);
  const there = await machine(checkout);
  for (const [index, { path, record }] of published.entries()) {
    expect(sidecars[index]).toMatchObject({
      platform: record.platform,
      key: record.inputs?.key,
      sha256: record.sidecar.sha256,
      hasProvenance: false,
    });
    const fetched = await done(there.fetch(sidecars[index].path, record.platform, '--json'));
    expect(JSON.parse(fetched.stdout)).toMatchObject({ status: 'fetched', record });
    expect(await fs.readFile(JSON.parse(fetched.stdout).path)).toEqual(await fs.readFile(path));
  }
  const names = sidecars.flatMap(({ path }: { path: string }) => [path, `${path}.json`]);
  expect((await fs.readdir(out)).map((name) => join(out, name)).sort()).toEqual(names.sort());
});

test('a signature goes along, and is verified on the other machine', async () => {
  const { checkout, here, out } = await exporter();
  const trustedRoot = ['--trusted-root', await writeRoot(await tempDir(), DOUBLE)];
  const signed = await publishFile(checkout, 'linux/amd64');
  await fs.writeFile(`${signed.path}.sigstore.json`, sign(signed.record));
  await done(here.fetch(signed.path, 'linux/amd64', ...trustedRoot));
  const { stdout } = await done(here.cli('export', out, '--context', checkout.dir, '--json'));
  const [{ path }] = JSON.parse(stdout).sidecars;
  const there = await machine(checkout);
  const required = ['--provenance', 'required'];
  await done(there.fetch(path, 'linux/amd64', ...required, ...trustedRoot));
  const elsewhere = await machine(checkout);
  expect((await elsewhere.fetch(path, 'linux/amd64', ...required)).exitCode).toBe(76);
});

function sign(record: PackRecord): Buffer {
  const repository = 'https://github.com/acme/tools';
  const signer = `${repository}/.github/workflows/pack.yml@refs/heads/main`;
  const claims = workflowClaims({
    9: signer,
    12: repository,
    13: record.source?.commit ?? '',
    18: signer,
    21: `${repository}/actions/runs/1/attempts/1`,
  });
  return bytesOf(DOUBLE.sign(statement({}, record), { claims }));
}

test('an image ID exports the sidecar under its name, for the repository that it came from', async () => {
  const { checkout, here, published, out } = await exporter('linux/amd64');
  await done(here.cli('bind', '--context', checkout.dir));
  const outside = await tempDir();
  const exportFrom = (...args: string[]) => here.cli('export', out, LOCAL.slice(7, 23), '--json', ...args);
  expect(await exportFrom('--context', outside)).toMatchObject({
    exitCode: 76,
    stderr: expect.stringContaining('github.com/acme/tools'),
  });
  const { stdout } = await done(exportFrom('--context', outside, '--repo', 'acme/tools'));
  expect(JSON.parse(stdout).sidecars).toMatchObject([{ sha256: published[0]?.record.sidecar.sha256 }]);
});

describe('an export that cannot be', () => {
  test.each([
    [['0'.repeat(16)], 66, /there is no file/],
    [['latest'], 64, /not an image ID: "latest"/],
    [['--platform', 'linux/arm64'], 66, /no sidecar of this checkout for linux\/arm64/],
    [['--platform', 'linux/s390x'], 64, /unknown platform "linux\/s390x"/],
  ])('%j ends with %i and writes nothing', async (args, exitCode, message) => {
    const { checkout, here, out } = await exporter('linux/amd64');
    const result = await here.cli('export', out, '--context', checkout.dir, ...args);
    expect(result).toMatchObject({ exitCode, stderr: expect.stringMatching(message) });
    await expect(fs.readdir(out)).rejects.toThrow('ENOENT');
  });

  test('a sidecar that has changed in the store ends with 65, and what was exported before stays', async () => {
    const { checkout, here, out } = await exporter('linux/amd64');
    const exported = () => here.cli('export', out, '--context', checkout.dir);
    await done(exported());
    const before = await contentsOf(out);
    const stored = (await done(here.cli('path', '--context', checkout.dir))).stdout.trim();
    const bytes = await fs.readFile(stored);
    bytes[200] = (bytes[200] ?? 0) ^ 1;
    await fs.chmod(stored, 0o644);
    await fs.writeFile(stored, bytes);
    expect(await exported()).toMatchObject({
      exitCode: 65,
      stderr: expect.stringMatching(/has changed since it was verified/),
    });
    expect(await contentsOf(out)).toEqual(before);
  });
});

async function contentsOf(dir: string): Promise<Array<[string, Buffer]>> {
  const names = (await fs.readdir(dir)).sort();
  return await Promise.all(
    names.map(async (name): Promise<[string, Buffer]> => [name, await fs.readFile(join(dir, name))]),
  );
}
