import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SIDECAR_MEDIA_TYPE } from '../../src/identity/oci-names.ts';
import { publishedNameOf } from '../../src/identity/published-name.ts';
import { digestOf } from '../../src/remote/oci-manifest.ts';
import { startGitHub } from '../doubles/github/github.ts';
import { type CliResult, runCli, startCli } from '../helpers/cli.ts';
import { startServer } from '../helpers/loopback-server.ts';
import { sampleParts } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { checkoutOf, imageIdOf, LOCAL, machine, publish } from './origin-bed.ts';

// Each of these attacks worked once. The victim is a developer of github.com/acme/tools, which signs.

/** The victim's machine, on which the good sidecar was fetched and bound with its provenance. */
async function victim() {
  const world = await machine();
  const acme = await checkoutOf('git@github.com:acme/tools.git');
  const good = await publish(acme, { repository: 'acme/tools', isSigned: true });
  const fetched = await world.fetch(acme, good, '--provenance', 'required');
  expect(fetched.exitCode, fetched.stderr).toBe(0);
  expect(await fs.readFile(world.name)).toEqual(good.bytes);
  return { ...world, acme, good };
}

/** The bytes of the file that a command names as the checkout's sidecar, if it names one. */
async function bytesNamedBy({ exitCode, stdout }: CliResult): Promise<Buffer | undefined> {
  return exitCode === 0 ? await fs.readFile(stdout.trim()) : undefined;
}

describe('a sidecar that came from someone else', { timeout: 240_000 }, () => {
  test('of a fork with the same files does not take the name of the signed one', async () => {
    const { acme, good, fetch, cli, name } = await victim();
    const fork = await checkoutOf('git@github.com:mallory/tools.git');
    const evil = await publish(fork, { repository: 'mallory/tools', packedAt: '2099-01-01T00:00:00.000Z' });
    const fetched = await fetch(fork, evil);
    expect(fetched.exitCode, fetched.stderr).toBe(0);
    expect(await fs.readFile(name)).toEqual(good.bytes);
    expect(fetched.stdout).toContain('github.com/acme/tools');
    expect(fetched.stdout + fetched.stderr).toContain('claude-bottle bind --replace');
    expect(await fetch(fork, evil, '--provenance', 'required')).toMatchObject({ exitCode: 76 });

    expect(await bytesNamedBy(await cli(acme, 'path'))).toEqual(good.bytes);
    expect((await cli(acme, 'bind')).exitCode).toBe(0);
    expect(await fs.readFile(name)).toEqual(good.bytes);
    expect((await cli(fork, 'bind', '--replace')).exitCode).toBe(0);
    expect(await fs.readFile(name)).toEqual(evil.bytes);
  });

  test('and says nothing of where it was packed is not served to a repository that signs', async () => {
    const { acme, good, fetch, cli, name } = await victim();
    for (const remote of ['git@github.com:mallory/tools.git', undefined]) {
      const other = await checkoutOf(remote);
      const evil = await publish(other, { packedAt: '2099-01-01T00:00:00.000Z' });
      const fetched = await fetch(other, evil, '--no-bind');
      expect(fetched.exitCode, fetched.stderr).toBe(0);
    }
    expect(await bytesNamedBy(await cli(acme, 'path'))).toEqual(good.bytes);
    const offline = await cli(acme, 'fetch', '--offline', '--print-path');
    expect(await bytesNamedBy(offline), offline.stderr).toEqual(good.bytes);
    expect((await cli(acme, 'bind')).exitCode).toBe(0);
    expect(await fs.readFile(name)).toEqual(good.bytes);
  });

  test('is not taken for the repository that its record names in a directory without a remote', async () => {
    const { good, fetch, cli, name, acme } = await victim();
    const nowhere = await checkoutOf(undefined);
    const claim = { repository: 'acme/tools', packedAt: '2099-01-01T00:00:00.000Z' };
    for (const imageId of [LOCAL, imageIdOf('CI')]) {
      const fetched = await fetch(nowhere, await publish(nowhere, { ...claim, imageId }));
      expect([0, 76], fetched.stderr).toContain(fetched.exitCode);
      expect(await fs.readFile(name)).toEqual(good.bytes);
    }
    expect(await bytesNamedBy(await cli(acme, 'path'))).toEqual(good.bytes);
  });

  test('of a repository of the same name on another server is another one', async () => {
    const { acme, good, fetch, cli, name } = await victim();
    const other = await checkoutOf('git@github.mallory.example:acme/tools.git');
    const evil = await publish(other, { repository: 'acme/tools', packedAt: '2099-01-01T00:00:00.000Z' });
    const fetched = await fetch(other, evil);
    expect(fetched.exitCode, fetched.stderr).toBe(0);
    expect(await fs.readFile(name)).toEqual(good.bytes);
    expect(await bytesNamedBy(await cli(acme, 'path'))).toEqual(good.bytes);
    const unseen = await cli(other, 'path');
    expect(await bytesNamedBy(unseen)).not.toEqual(good.bytes);
  });
});

describe('a record that claims an image', () => {
  test('gets no name by it, so that the good sidecar still takes its place', async () => {
    const world = await machine();
    const stranger = await checkoutOf('git@github.com:mallory/tools.git');
    const evil = await publish(stranger, {
      repository: 'mallory/tools',
      imageId: LOCAL,
      key: 'e'.repeat(64),
    });
    const stored = await world.fetch(stranger, evil, '--no-bind');
    expect(stored.exitCode, stored.stderr).toBe(0);
    expect((await fs.readdir(world.store)).filter((each) => each.endsWith('.smolmachine'))).toEqual([]);

    const acme = await checkoutOf('git@github.com:acme/tools.git');
    const good = await publish(acme, { repository: 'acme/tools', isSigned: true });
    const fetched = await world.fetch(acme, good, '--provenance', 'required');
    expect(fetched.exitCode, fetched.stderr).toBe(0);
    expect(await fs.readFile(world.name)).toEqual(good.bytes);
  });

  test('is not a hit for pack, which would have packed another key', async () => {
    const { cli, fetch } = await machine();
    const acme = await checkoutOf('git@github.com:acme/tools.git');
    await fetch(acme, await publish(acme, { imageId: LOCAL, key: 'e'.repeat(64) }), '--no-bind');
    const packed = await cli(acme, 'pack', '--no-kvm-check', '--json');
    expect(packed.stdout).not.toContain('"hit"');
  });

  test('overwrites nothing that was bound while it was still on its way', async () => {
    const { acme, fetch, env, name } = await machine().then(async (world) => ({
      ...world,
      acme: await checkoutOf('git@github.com:acme/tools.git'),
    }));
    const good = await publish(acme, { repository: 'acme/tools', isSigned: true });
    const stranger = await checkoutOf('git@github.com:mallory/tools.git');
    const evil = await publish(stranger, {
      repository: 'mallory/tools',
      imageId: LOCAL,
      key: 'e'.repeat(64),
    });
    let release = () => {};
    const isBound = new Promise<void>((resolve) => {
      release = resolve;
    });
    const server = createServer(async ({ url = '' }, response) => {
      if (url === '/agent.smolmachine') {
        await isBound;
      }
      const file = await fs.readFile(join(evil.path, '..', url)).catch(() => undefined);
      response.writeHead(file === undefined ? 404 : 200).end(file);
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const slow = startCli(
      [
        ...['fetch', '--context', stranger.dir, '--no-bind'],
        ...['--from', `http://127.0.0.1:${port}/agent.smolmachine`],
      ],
      env,
    );
    await once(server, 'request');
    expect((await fetch(acme, good, '--provenance', 'required')).exitCode).toBe(0);
    release();
    expect((await slow.ended).exitCode).toBe(0);
    expect(await fs.readFile(name)).toEqual(good.bytes);
  });

  test('of CI does not keep the sidecar of CI away', async () => {
    const { fetch, name } = await machine();
    const stranger = await checkoutOf('git@github.com:mallory/tools.git');
    await fetch(stranger, await publish(stranger, { repository: 'mallory/tools' }), '--no-bind');
    const acme = await checkoutOf('git@github.com:acme/tools.git');
    const good = await publish(acme, { repository: 'acme/tools', isSigned: true });
    const fetched = await fetch(acme, good);
    expect(fetched.exitCode, fetched.stderr).toBe(0);
    expect(await fs.readFile(name)).toEqual(good.bytes);
  });
});

describe('an older run', { timeout: 240_000 }, () => {
  test('is older over all refs: one of a tag does not follow one of a branch', async () => {
    const { acme, fetch, name } = await victim();
    const newest = await publish(acme, { repository: 'acme/tools', isSigned: true, runId: 9000 });
    await fetch(acme, newest, '--sha256', newest.record.sidecar.sha256);
    expect(await fs.readFile(name)).toEqual(newest.bytes);
    const old = { repository: 'acme/tools', isSigned: true, runId: 100, ref: 'refs/tags/v0.1' };
    const older = await publish(acme, old);
    const rolledBack = await fetch(acme, older, '--sha256', older.record.sidecar.sha256);
    expect(rolledBack, rolledBack.stderr).toMatchObject({
      exitCode: 76,
      stderr: expect.stringMatching(/run 100, attempt 1; run 9000, attempt 1/),
    });
    expect(await fs.readFile(name)).toEqual(newest.bytes);
  });
});

describe('what is beside a checkout or a file', () => {
  test.each([
    'file:/etc/passwd',
    'layout:/etc/passwd',
    'http://127.0.0.1:PORT/admin?delete=everything',
    'https://127.0.0.1:PORT/acme/tools/releases/download/v1/agent.smolmachine',
    'https://github.com/mallory/tools/releases/download/v1/agent.smolmachine',
    'https://github.com/acme/tools/../../mallory/tools/releases/download/v1/agent.smolmachine',
    'https://github.com/acme/tools/releases/download/v1/agent.smolmachine?token=1',
    'https://github.com@127.0.0.1:PORT/acme/tools/releases/download/v1/agent.smolmachine',
    'oci:127.0.0.1:PORT/acme/tools/smolmachine:latest',
    'oci:ghcr.io/mallory/tools/smolmachine:latest',
    'run:1',
    'release:\ud800',
    'release:../../mallory',
  ])('a lock file that names %s is refused, and nobody is asked', async (template) => {
    const { cli } = await machine();
    const acme = await checkoutOf('git@github.com:acme/tools.git');
    const requests: string[] = [];
    const server = createServer(({ url = '' }, response) => {
      requests.push(url);
      response.writeHead(404).end();
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { key } = await acme.inputs();
    const address = template.replace('PORT', String((server.address() as AddressInfo).port));
    const locked = { key, sha256: 'a'.repeat(64), sizeBytes: 1, address };
    const lockFile = { version: 1, platforms: { 'linux/amd64': locked } };
    await fs.writeFile(join(acme.dir, 'claude-bottle.lock'), JSON.stringify(lockFile));
    const result = await cli(acme, 'fetch', '--locked');
    expect(result.exitCode, result.stderr).toBe(76);
    expect(result.stderr).toContain('claude-bottle.lock');
    expect(requests).toEqual([]);
  });

  test('a link where lock would write its file, or a temporary one, leads nowhere', async () => {
    const { home, env } = await machine();
    const acme = await checkoutOf('git@github.com:acme/tools.git');
    const { path, record } = await publish(acme, { repository: 'acme/tools' });
    const github = await startGitHub();
    onTestFinished(() => github.close());
    const name = publishedNameOf(record);
    github.addRepository('acme/tools').addRelease('v1', {
      [name]: await fs.readFile(path),
      [`${name}.json`]: await fs.readFile(`${path}.json`),
    });
    const precious = join(home, '.bashrc');
    await fs.writeFile(precious, 'precious\n');
    const lockFile = join(acme.dir, 'claude-bottle.lock');
    const names = ['', '.tmp', '.part', '~'].map((suffix) => lockFile + suffix);
    // The child's process ID is not known before it starts, so that every likely one gets a link.
    for (let pid = process.pid; pid < process.pid + 2000; pid += 1) {
      names.push(`${lockFile}.${pid}.tmp`);
    }
    await Promise.all(names.map((each) => fs.symlink(precious, each)));
    const args = ['lock', '--context', acme.dir, '--from', 'release:v1', '--platform', 'linux/amd64'];
    const result = await runCli(args, { ...env, ...github.env });
    expect(result.exitCode, result.stderr).toBe(0);
    expect(await fs.readFile(precious, 'utf8')).toBe('precious\n');
    expect((await fs.lstat(lockFile)).isFile()).toBe(true);
    expect(await fs.readFile(lockFile, 'utf8')).toContain(record.sidecar.sha256);
  });

  test('a record that is nested too deeply is refused before anything is downloaded', async () => {
    const { fetch, store } = await machine();
    const acme = await checkoutOf('git@github.com:acme/tools.git');
    const evil = await publish(acme, { repository: 'acme/tools' });
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    await fs.writeFile(`${evil.path}.json`, `${JSON.stringify(evil.record).slice(0, -1)},"deep":${deep}}`);
    const result = await fetch(acme, evil, '--no-bind');
    expect(result.exitCode, result.stderr).toBe(65);
    expect(result.stderr).toContain('nested');
    expect(await fs.readdir(join(store, '.pack/parts')).catch(() => [])).toEqual([]);
  });

  test.each([
    ['a number that no computer holds', '1e999'],
    ['half a character', '"\\ud800"'],
  ])('a record with %s is refused before anything is downloaded', async (_, value) => {
    const { fetch, store } = await machine();
    const acme = await checkoutOf('git@github.com:acme/tools.git');
    const evil = await publish(acme, { repository: 'acme/tools', isSigned: true });
    await fs.writeFile(`${evil.path}.json`, `${JSON.stringify(evil.record).slice(0, -1)},"more":[${value}]}`);
    const result = await fetch(acme, evil, '--no-bind');
    expect(result.exitCode, result.stderr).toBe(65);
    expect(await fs.readdir(join(store, '.pack/parts')).catch(() => [])).toEqual([]);
  });

  test('an unsigned file of a repository that signs is not verified as good', async () => {
    const { acme, good, cli, root } = await victim();
    const evil = await publish(acme, { repository: 'acme/tools' });
    const verify = (file: string, ...args: string[]) =>
      cli(acme, 'verify', file, '--trusted-root', root, ...args);
    expect((await verify(good.path)).exitCode).toBe(0);
    const refused = await verify(evil.path);
    expect(refused, refused.stderr).toMatchObject({
      exitCode: 76,
      stderr: expect.stringContaining('acme/tools has published with provenance before'),
    });
    expect((await verify(evil.path, '--provenance', 'off')).exitCode).toBe(0);
  });
});

/** More than the product may read of an answer that is to be short, with what is on its way. */
const MUCH_BYTES = 64 * 1024 * 1024;

/** A server that sends without end whatever it has no answer for. */
async function endlessServer(answers: ReadonlyMap<string, Buffer | string> = new Map()) {
  const seen = { sentBytes: 0 };
  const zeros = Buffer.alloc(256 * 1024);
  const { host } = await startServer(({ url = '' }, response) => {
    const answer = answers.get(url);
    if (answer !== undefined) {
      response.end(answer);
      return;
    }
    const send = () => {
      if (!response.destroyed) {
        seen.sentBytes += zeros.length;
        response.write(zeros, send);
      }
    };
    send();
  });
  return { host, seen };
}

describe('an answer without an end', { timeout: 120_000 }, () => {
  test('about the name of a repository is not read', async () => {
    const { env } = await machine();
    const acme = await checkoutOf('git@github.com:acme/tools.git');
    const { path } = await publish(acme, { repository: 'mallory/tools' });
    const { host, seen } = await endlessServer();
    const github = { GITHUB_SERVER_URL: `http://${host}`, GITHUB_API_URL: `http://${host}/api` };
    const args = ['fetch', '--context', acme.dir, '--from', `file:${path}`, '--no-bind'];
    const result = await runCli(args, { ...env, ...github });
    expect(result.exitCode, result.stderr).toBe(76);
    expect(seen.sentBytes).toBeGreaterThan(0);
    expect(seen.sentBytes).toBeLessThan(MUCH_BYTES);
  });

  test('in the place of a sidecar without a record is not read', async () => {
    const { cli } = await machine();
    const acme = await checkoutOf('git@github.com:acme/tools.git');
    const { manifest } = await sampleParts(await tempDir());
    const config = Buffer.from(JSON.stringify(manifest));
    const image = {
      schemaVersion: 2,
      config: { mediaType: 'application/json', digest: digestOf(config), size: config.length },
      layers: [{ mediaType: SIDECAR_MEDIA_TYPE, digest: digestOf(Buffer.of()), size: 1000 }],
    };
    const { host, seen } = await endlessServer(
      new Map<string, Buffer | string>([
        ['/v2/friend/agent/manifests/v1', JSON.stringify(image)],
        [`/v2/friend/agent/blobs/${digestOf(config)}`, config],
      ]),
    );
    const result = await cli(acme, 'fetch', '--from', `oci:${host}/friend/agent:v1`, '--no-bind');
    expect(result.exitCode, result.stderr).toBe(65);
    expect(seen.sentBytes).toBeGreaterThan(0);
    expect(seen.sentBytes).toBeLessThan(MUCH_BYTES);
  });
});
