import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type CliResult, runCli } from '../helpers/cli.ts';
import { type FakeDocker, fakeDocker } from '../helpers/fake-docker.ts';
import { tempDir } from '../helpers/temp-dir.ts';

// What an engine seldom has, an export that is written by Python stands for.

const NO_LAYERS = 'FROM scratch\nLABEL org.example.test=odd\n';
const ONE_LAYER = 'FROM scratch\nCOPY Dockerfile /\n';

async function pack(dir: string, docker?: FakeDocker, dockerfile = ONE_LAYER): Promise<CliResult> {
  const context = join(dir, 'context');
  await fs.mkdir(context);
  await fs.writeFile(join(context, 'Dockerfile'), dockerfile);
  return await runCli(
    ['pack', '--packer', 'direct', '--context', context, '--image', 'cbp-test:odd', '--json'],
    { HOME: dir, ...docker?.env },
  );
}

/** The lines of a Python program that writes the tar of a container. */
async function exportOf(dir: string, ...lines: string[]): Promise<FakeDocker> {
  const program = [
    'import sys, tarfile',
    'tar = tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT)',
    ...lines,
    'tar.close()',
  ];
  await fs.writeFile(join(dir, 'export.py'), `${program.join('\n')}\n`);
  return await fakeDocker(dir, '"container export "*', `exec python3 '${dir}/export.py'`);
}

test('an image without layers is packed', async () => {
  const packed = await pack(await tempDir(), undefined, NO_LAYERS);
  expect(packed.exitCode, packed.stderr).toBe(0);
  expect(JSON.parse(packed.stdout)).toMatchObject({ status: 'packed', record: { image: { layers: [] } } });
});

test('an image of more layers than Docker itself makes is packed as one', async () => {
  const dir = await tempDir();
  const script =
    'docker "$@" | python3 -c "import json, sys; image = json.load(sys.stdin); ' +
    "image[0]['RootFS']['Layers'] = ['sha256:%064x' % each for each in range(300)]; print(json.dumps(image))\"";
  const packed = await pack(dir, await fakeDocker(dir, '"image inspect "*', script));
  expect(packed.exitCode, packed.stderr).toBe(0);
  expect(JSON.parse(packed.stdout).record.image.layers).toHaveLength(300);
});

test('of more files than a small disk has inodes, both numbers are told, and the disk that they need', async () => {
  const dir = await tempDir();
  const many = await exportOf(
    dir,
    'for each in range(200_000): tar.addfile(tarfile.TarInfo("f%06d" % each))',
  );
  const packed = await pack(dir, many);
  expect(packed.exitCode, packed.stderr).toBe(0);
  expect(packed.stderr).toMatch(
    /warning: the image has 200,000 files: .* a disk of 5 GiB or more, .* 65,536 inodes for each GiB/,
  );
});

test('extended attributes, access control lists and file capabilities are named, because no sidecar has them', async () => {
  const dir = await tempDir();
  const attributes = await exportOf(
    dir,
    'entry = tarfile.TarInfo("srv/shared")',
    'entry.pax_headers = {"SCHILY.acl.access": "user::rw-,user:7:r--", "SCHILY.xattr.user.note": "x"}',
    'tar.addfile(entry)',
    'tar.addfile(tarfile.TarInfo("srv/usual"))',
    'entry = tarfile.TarInfo("usr/bin/ping")',
    'entry.pax_headers = {"SCHILY.xattr.security.capability": "\\1\\0\\0\\2\\0\\40\\0\\0"}',
    'tar.addfile(entry)',
  );
  const packed = await pack(dir, attributes);
  expect(packed.exitCode, packed.stderr).toBe(0);
  expect(packed.stderr).toMatch(
    /warning: a sidecar has no extended attributes .*: srv\/shared \(access\), srv\/shared \(user\.note\) will/,
  );
  expect(packed.stderr).toContain('warning: smolvm does not keep file capabilities: usr/bin/ping\n');
  expect(packed.stderr).not.toContain('srv/usual');
});
