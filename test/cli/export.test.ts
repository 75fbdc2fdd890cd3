import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { builtInRoots, readRoots } from '../../src/trust/roots.ts';
import { publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { startCli } from '../helpers/cli.ts';
import { waitUntil } from '../helpers/leftovers.ts';
import { writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { done, exporter, machine, ON_AMD64, signedExporter } from './export-bed.ts';

test('what one machine exports, another imports without a network', async () => {
  const { checkout, here, published, out } = await exporter('linux/amd64', 'linux/arm64');
  const exported = JSON.parse((await done(here.inCheckout('export', '--out', out, '--json'))).stdout);
  expect(exported).toMatchObject({
    path: out,
    sizeBytes: (await fs.stat(out)).size,
    sidecars: published.map(({ record }) => ({
      platform: record.platform,
      key: record.inputs?.key,
      sha256: record.sidecar.sha256,
      hasProvenance: false,
    })),
  });
  expect(await fs.readdir(join(out, '..'))).toEqual(['agent.oci.tar']);

  const there = await machine(checkout);
  for (const { path, record } of published) {
    const args = ['--platform', record.platform, '--no-bind', '--json'];
    const { stdout } = await done(there.inCheckout('import', out, ...args));
    const imported = JSON.parse(stdout);
    expect(imported).toMatchObject({ status: 'fetched', address: `layout:${out}`, record });
    expect(await fs.readFile(imported.path)).toEqual(await fs.readFile(path));
  }
  expect((await filesIn(there.store)).filter((name) => /part|tmp/.test(name))).toEqual([]);
});

test.skipIf(!canUnshare())('an import needs no network interface at all', async () => {
  const { checkout, here, published, out } = await exporter('linux/amd64');
  await done(here.inCheckout('export', '--out', out));
  const there = await machine(checkout);
  const main = join(import.meta.dirname, '../../src/cli/main.ts');
  const args = [
    'import',
    out,
    '--context',
    checkout.dir,
    '--platform',
    'linux/amd64',
    '--no-bind',
    '--print-path',
  ];
  const path = execFileSync('unshare', ['--net', process.execPath, main, ...args], {
    env: { ...process.env, HOME: there.home },
    encoding: 'utf8',
  });
  expect(await fs.readFile(path.trim())).toEqual(await fs.readFile(published[0]?.path ?? ''));
});

describe('a signed sidecar', () => {
  test('is verified from the file alone, and can be exported again', async () => {
    const { out, args, there, bundle, trustedRoot } = await signedExporter();
    const { stdout } = await done(
      there.inCheckout('import', out, ...args, '--trusted-root', trustedRoot, '--json'),
    );
    expect(JSON.parse(stdout).provenance).toMatchObject({ repository: 'https://github.com/acme/tools' });
    const again = `${out}.again`;
    await done(there.inCheckout('export', '--out', again));
    expect((await fs.readFile(again)).equals(await fs.readFile(out))).toBe(true);
    expect((await fs.readFile(again)).includes(bundle)).toBe(true);
  });

  test('is refused when the roots that are built in do not know who signed', async () => {
    const { out, args, there } = await signedExporter();
    const result = await there.inCheckout('import', out, ...args);
    expect(result.exitCode, result.stderr).toBe(76);
    expect(await filesIn(there.store)).toEqual([]);
  });

  test('stays refused when the file brings roots that know it', async () => {
    const { out, args, there, trustedRoot } = await signedExporter();
    const dir = await unpack(out);
    const roots = await readRootsEntry(dir);
    const digest = await addBlob(dir, await fs.readFile(trustedRoot));
    const manifest = roots.manifest.replaceAll(roots.digest, digest);
    const index = await fs.readFile(join(dir, 'index.json'), 'utf8');
    const changed = index.replace(roots.manifestDigest, await addBlob(dir, Buffer.from(manifest)));
    expect(changed).not.toBe(index);
    await fs.writeFile(join(dir, 'index.json'), changed);
    const file = `${out}.changed`;
    execFileSync('tar', ['-C', dir, '-cf', file, '.']);
    expect((await there.inCheckout('import', file, ...args)).exitCode).toBe(76);
  });
});

test('the trust roots in the file are in the form that --trusted-root takes', async () => {
  const { here, out } = await exporter('linux/amd64');
  await done(here.inCheckout('export', '--out', out));
  const dir = await unpack(out);
  const { digest } = await readRootsEntry(dir);
  const roots = await readRoots(blobPath(dir, digest));
  const builtIn = builtInRoots();
  expect(roots.map(({ authorities }) => authorities.map(String))).toEqual(
    builtIn.map(({ authorities }) => authorities.map(String)),
  );
});

test('an image ID exports the sidecar under its name, without a checkout', async () => {
  const { here, published, out } = await exporter('linux/amd64');
  const id = published[0]?.record.image.id.slice(7, 23) ?? '';
  const { stdout } = await done(here.cli('export', id, '--out', out, '--json'));
  expect(JSON.parse(stdout).sidecars).toMatchObject([{ sha256: published[0]?.record.sidecar.sha256 }]);
});

describe('an export that cannot be', () => {
  test.each([
    [['0'.repeat(16)], 66, /there is no file/],
    [['latest'], 64, /not an image ID: "latest"/],
    [['--platform', 'linux/arm64'], 66, /no sidecar of this checkout for linux\/arm64/],
    [['--platform', 'linux/s390x'], 64, /unknown platform "linux\/s390x"/],
  ])('%j ends with %i and writes nothing', async (args, exitCode, message) => {
    const { here, out } = await exporter('linux/amd64');
    const result = await here.inCheckout('export', '--out', out, ...args);
    expect(result).toMatchObject({ exitCode, stderr: expect.stringMatching(message) });
    expect(await fs.readdir(join(out, '..'))).toEqual([]);
  });

  test('a sidecar that has changed in the store ends with 65, and what was there stays', async () => {
    const { here, out } = await exporter('linux/amd64');
    await fs.writeFile(out, 'an older one');
    const stored = join(
      here.store,
      (await fs.readdir(here.store)).find((name) => name.endsWith('smolmachine')) ?? '',
    );
    const bytes = await fs.readFile(stored);
    bytes[200] = (bytes[200] ?? 0) ^ 1;
    await fs.chmod(stored, 0o644);
    await fs.writeFile(stored, bytes);
    const result = await here.inCheckout('export', '--out', out);
    expect(result).toMatchObject({
      exitCode: 65,
      stderr: expect.stringMatching(/SHA-256 [0-9a-f]{64}, expected/),
    });
    expect(await fs.readFile(out, 'utf8')).toBe('an older one');
    expect(await fs.readdir(join(out, '..'))).toEqual(['agent.oci.tar']);
  });

  test('a directory that is not there ends with 74', async () => {
    const { here, out } = await exporter('linux/amd64');
    const result = await here.inCheckout('export', '--out', join(out, 'not-there/x'));
    expect(result).toMatchObject({ exitCode: 74, stderr: expect.stringMatching(/ENOENT/) });
  });
});

describe('an import', () => {
  test('without the provenance that is required asks nobody for it', async () => {
    const { here, out, checkout } = await exporter('linux/amd64');
    await done(here.inCheckout('export', '--out', out));
    const there = await machine(checkout);
    const result = await there.inCheckout('import', out, ...ON_AMD64, '--provenance', 'required');
    expect(result).toMatchObject({
      exitCode: 76,
      stderr: expect.stringMatching(/no provenance, and one is required/),
    });
    expect(result.stderr).not.toContain('api.github.com');
  });

  test('of a file that is not there ends with 66', async () => {
    const there = await machine(await sampleCheckout());
    const result = await there.inCheckout('import', '/nowhere.oci.tar', '--no-bind');
    expect(result).toMatchObject({
      exitCode: 66,
      stderr: expect.stringMatching(/there is no file \/nowhere/),
    });
  });

  test('for other inputs says which file differs', async () => {
    const { here, out, checkout } = await exporter('linux/amd64');
    await done(here.inCheckout('export', '--out', out));
    await fs.writeFile(join(checkout.dir, 'agent.txt'), 'changed\n');
    const there = await machine(checkout);
    const result = await there.inCheckout('import', out, '--platform', 'linux/amd64');
    expect(result).toMatchObject({
      exitCode: 66,
      stderr: expect.stringMatching(/packed from other inputs[\s\S]*agent\.txt/),
    });
  });

  test('of another repository ends with 76', async () => {
    const { here, out, checkout } = await exporter('linux/amd64');
    await done(here.inCheckout('export', '--out', out));
    const there = await machine(checkout);
    const args = ['--platform', 'linux/amd64', '--no-bind', '--repo', 'acme/other'];
    expect(await there.inCheckout('import', out, ...args)).toMatchObject({
      exitCode: 76,
      stderr: expect.stringMatching(/the repository is acme\/tools, expected acme\/other/),
    });
    expect(await filesIn(there.store)).toEqual([]);
  });
});

describe('a killed export', () => {
  const SIZE_BYTES = 300_000_000;

  async function started() {
    const checkout = await sampleCheckout();
    const here = await machine(checkout);
    const large = await enlarge((await publishFile(checkout)).record);
    await done(here.inCheckout('fetch', ...ON_AMD64, '--from', `file:${large}`));
    const out = join(await tempDir(), 'agent.oci.tar');
    const args = ['export', '--context', checkout.dir, '--out', out];
    const running = startCli(args, { HOME: here.home });
    const isWriting = async () => (await fs.readdir(join(out, '..'))).length > 0;
    await waitUntil(isWriting, 'the export writes');
    return { here, out, running };
  }

  /** Another sidecar for the same inputs, with a large member that does not compress. */
  async function enlarge(record: PackRecord): Promise<string> {
    const path = join(await tempDir(), 'large.smolmachine');
    await writeSample(path, ({ members }) => ({
      members: [...members, { path: 'large', type: 'file', source: randomBytes(SIZE_BYTES) }],
    }));
    const { sha256, sizeBytes, crc32 } = await verifySidecar(path);
    await fs.writeFile(`${path}.json`, JSON.stringify({ ...record, sidecar: { sha256, sizeBytes, crc32 } }));
    return path;
  }

  test('by SIGKILL leaves no target, and the next one takes away what it left', async () => {
    const { here, out, running } = await started();
    running.process.kill('SIGKILL');
    expect((await running.ended).exitCode).toBeNull();
    const left = await fs.readdir(join(out, '..'));
    expect(left).toEqual([expect.stringMatching(/^\.agent\.oci\.tar\..*\.part$/)]);
    const id = '1'.repeat(16);
    await done(here.cli('export', id, '--out', out));
    expect(await fs.readdir(join(out, '..'))).toEqual(['agent.oci.tar']);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('by %s ends with %i and leaves nothing', async (name, exitCode) => {
    const { out, running } = await started();
    running.process.kill(name);
    expect(await running.ended).toMatchObject({ exitCode });
    expect(await fs.readdir(join(out, '..'))).toEqual([]);
  });
});

async function unpack(file: string): Promise<string> {
  const dir = await tempDir();
  execFileSync('tar', ['-C', dir, '-xf', file]);
  return dir;
}

interface RootsEntry {
  readonly manifestDigest: string;
  readonly manifest: string;
  readonly digest: string;
}

async function readRootsEntry(dir: string): Promise<RootsEntry> {
  const { manifests } = JSON.parse(await fs.readFile(join(dir, 'index.json'), 'utf8'));
  const { digest: manifestDigest } = manifests.find(
    ({ annotations }: { annotations?: Record<string, string> }) =>
      annotations?.['org.opencontainers.image.ref.name'] === 'trusted-roots',
  );
  const manifest = await fs.readFile(blobPath(dir, manifestDigest), 'utf8');
  return { manifestDigest, manifest, digest: JSON.parse(manifest).layers[0].digest };
}

async function addBlob(dir: string, bytes: Buffer): Promise<string> {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  await fs.writeFile(blobPath(dir, digest), bytes);
  return digest;
}

function blobPath(dir: string, digest: string): string {
  return join(dir, 'blobs/sha256', digest.slice('sha256:'.length));
}

async function filesIn(store: string): Promise<string[]> {
  const names = await fs.readdir(store, { recursive: true, withFileTypes: true }).catch(() => []);
  return names.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
}

function canUnshare(): boolean {
  const isPossible = spawnSync('unshare', ['--net', 'true']).status === 0;
  if (!isPossible) {
    console.error('unshare --net is not permitted: the test without any network interface is skipped.');
  }
  return isPossible;
}
