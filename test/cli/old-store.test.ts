import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { layoutOf } from '../../src/store/location.ts';
import type { Checkout } from '../helpers/checkout.ts';
import { runCli } from '../helpers/cli.ts';
import { checkoutOf, LOCAL, machine, type Published, publish } from './origin-bed.ts';

const ACME = 'git@github.com:acme/tools.git';
const FROM_OLD_STORE = /warning: .* is from version 0\.1, so the origin of its 1 sidecar is unknown/g;

/** A machine whose store version 0.1 has left: one sidecar, bound to the image that is built here. */
async function machineWithOldStore({ path, record, bytes }: Published) {
  const world = await machine();
  const { objects, ours, bundles, tmp } = layoutOf(world.store);
  const { sha256 } = record.sidecar;
  for (const dir of [
    objects,
    bundles,
    tmp,
    join(ours, 'records'),
    join(ours, 'bindings'),
    join(ours, 'used'),
  ]) {
    await fs.mkdir(dir, { recursive: true, mode: 0o700 });
  }
  const object = join(objects, sha256);
  await fs.writeFile(object, bytes, { mode: 0o444 });
  await fs.link(object, world.name);
  await fs.writeFile(join(ours, 'records', `${sha256}.json`), JSON.stringify(record));
  const binding = { imageId: LOCAL, sha256, proof: 'inputs', boundAt: '2026-10-01T00:00:00.000Z' };
  await fs.writeFile(join(ours, 'bindings', `${LOCAL.slice(7, 23)}.json`), JSON.stringify(binding));
  await fs.writeFile(join(ours, 'used', `${sha256}.json`), '{"usedAt":"2026-10-02T00:00:00.000Z"}\n');
  await fs.copyFile(`${path}.sigstore.json`, join(bundles, `${sha256}.sigstore.json`)).catch(() => {});
  return { ...world, object };
}

/** The inode, the time of its last change, and the number of links: smolvm refuses a file in which one changes. */
async function stateOf(path: string) {
  const { ino, ctimeMs, nlink } = await fs.lstat(path);
  return { ino, ctimeMs, nlink };
}

describe('a store of version 0.1', { timeout: 120_000 }, () => {
  test('keeps its files, says once that their origin is unknown, and serves what the user adopts', async () => {
    const acme = await checkoutOf(ACME);
    const old = await publish(acme, { repository: 'acme/tools' });
    const { cli, env, name, object } = await machineWithOldStore(old);
    const before = await stateOf(name);

    const unbound = await cli(acme, 'bind');
    expect(unbound).toMatchObject({
      exitCode: 66,
      stderr: expect.stringContaining('claude-bottle bind --adopt'),
    });
    expect(unbound.stderr.match(FROM_OLD_STORE)).toHaveLength(1);
    expect(await stateOf(name)).toEqual(before);
    expect((await cli(acme, 'path')).exitCode).toBe(66);
    expect((await runCli(['ls'], env)).stdout).toMatch(/unknown/);

    const adopted = await cli(acme, 'bind', '--adopt');
    expect(adopted, adopted.stderr).toMatchObject({ exitCode: 0, stdout: `${name}\n` });
    expect(adopted.stderr).not.toMatch(FROM_OLD_STORE);
    expect((await cli(acme, 'path')).stdout).toBe(`${object}\n`);
    expect(await stateOf(name)).toEqual(before);
  });

  test('serves a signed sidecar to its own repository, without a network, once fetch has verified it', async () => {
    const acme = await checkoutOf(ACME);
    const old = await publish(acme, { repository: 'acme/tools', isSigned: true });
    const { cli, name, object, root } = await machineWithOldStore(old);
    const before = await stateOf(name);
    const fork = await checkoutOf('git@github.com:mallory/tools.git');
    const fetch = (checkout: Checkout) =>
      cli(checkout, 'fetch', '--offline', '--print-path', '--trusted-root', root);

    const refused = await fetch(fork);
    expect(refused.exitCode, refused.stderr).toBe(66);
    expect(refused.stderr.match(FROM_OLD_STORE)).toHaveLength(1);
    const fetched = await fetch(acme);
    expect(fetched, fetched.stderr).toMatchObject({ exitCode: 0, stdout: `${name}\n` });
    expect(fetched.stderr).not.toMatch(FROM_OLD_STORE);
    expect((await cli(acme, 'path')).stdout).toBe(`${object}\n`);
    expect(await stateOf(name)).toEqual(before);
    // From now on the repository signs, so that nothing unsigned of it is adopted.
    expect(await cli(acme, 'bind', '--adopt')).toMatchObject({ exitCode: 0, stdout: `${name}\n` });
  });

  test('gives a sidecar that is fetched again its origin, and moves no byte of it', async () => {
    const acme = await checkoutOf(ACME);
    const old = await publish(acme, { repository: 'acme/tools' });
    const { env, fetch, name } = await machineWithOldStore(old);
    const before = await stateOf(name);
    const fetched = await fetch(acme, old, '--json');
    expect(fetched, fetched.stderr).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(fetched.stdout)).toMatchObject({ status: 'hit', bound: { outcome: 'already-bound' } });
    expect(await stateOf(name)).toEqual(before);
    expect((await runCli(['ls'], env)).stdout).toMatch(/ acme\/tools$/m);
  });

  test('adopts nothing for a repository that signs', async () => {
    const acme = await checkoutOf(ACME);
    const old = await publish(acme, { repository: 'acme/tools' });
    const { cli, fetch } = await machineWithOldStore(old);
    const good = await publish(acme, { repository: 'acme/tools', isSigned: true, key: 'e'.repeat(64) });
    const fetched = await fetch(acme, good, '--no-bind');
    expect(fetched.exitCode, fetched.stderr).toBe(0);
    expect(await cli(acme, 'bind', '--adopt')).toMatchObject({
      exitCode: 76,
      stderr: expect.stringContaining('nothing is adopted'),
    });
  });
});
