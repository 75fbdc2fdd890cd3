import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkoutOf, imageIdOf, LOCAL, machine } from '../cli/origin-bed.ts';
import { LACKS_REGISTRY, startDockerRegistry } from '../helpers/docker-registry.ts';
import { publishSidecars } from '../helpers/oci-publish.ts';
import { writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const registryTest = test.skipIf(LACKS_REGISTRY);
const NAME = 'friend/agent';

/** A machine, and a registry to which someone has pushed a sidecar of that image as smolvm does, without a record. */
async function world(packedFrom: string) {
  const registry = await startDockerRegistry();
  const path = join(await tempDir(), 'agent.smolmachine');
  await writeSample(path, ({ manifest }) => ({ manifest: { ...manifest, digest: packedFrom as never } }));
  await publishSidecars(
    `${registry.host}/${NAME}`,
    ['v1'],
    [{ path, platform: 'linux/amd64', record: undefined }],
  );
  const bytes = await fs.readFile(path);
  const checkout = await checkoutOf('git@github.com:acme/tools.git');
  const home = await machine();
  const from = ['--from', `oci:${registry.host}/${NAME}:v1`];
  return { ...home, bytes, checkout, from };
}

registryTest('a sidecar without a pack record is bound to the image that it was packed from', async () => {
  const { cli, checkout, from, name, bytes } = await world(LOCAL);
  const fetched = await cli(checkout, 'fetch', ...from, '--json');
  expect(fetched, fetched.stderr).toMatchObject({
    exitCode: 0,
    stderr: expect.stringMatching(/warning: .* without a pack record and is not signed/),
  });
  expect(JSON.parse(fetched.stdout)).toMatchObject({
    status: 'fetched',
    bound: { proof: 'content', path: name },
  });
  expect(await fs.readFile(name)).toEqual(bytes);
  expect(await fs.readFile((await cli(checkout, 'path')).stdout.trim())).toEqual(bytes);
});

registryTest('of another image it is stored, and bound only when the user says so', async () => {
  const { cli, checkout, from, name, bytes } = await world(imageIdOf('another'));
  const refused = await cli(checkout, 'fetch', ...from);
  expect(refused, refused.stderr).toMatchObject({
    exitCode: 76,
    stderr: expect.stringMatching(/the image config sha256:[0-9a-f]{64}.*\n.*claude-bottle bind --adopt/),
  });
  expect(await cli(checkout, 'bind')).toMatchObject({ exitCode: 76 });
  expect((await cli(checkout, 'path')).exitCode).toBe(66);
  await expect(fs.lstat(name)).rejects.toThrow('ENOENT');

  const adopted = await cli(checkout, 'bind', '--adopt');
  expect(adopted, adopted.stderr).toMatchObject({ exitCode: 0, stdout: `${name}\n` });
  expect(await fs.readFile(name)).toEqual(bytes);
  expect(await fs.readFile((await cli(checkout, 'path')).stdout.trim())).toEqual(bytes);
});

registryTest('it is not taken where a signature is asked for', async () => {
  const { cli, checkout, from, store } = await world(LOCAL);
  expect(await cli(checkout, 'fetch', ...from, '--provenance', 'required')).toMatchObject({ exitCode: 76 });
  expect(await fs.readdir(join(store, '.pack/objects/sha256')).catch(() => [])).toEqual([]);
});
