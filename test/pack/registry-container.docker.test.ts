import { networkInterfaces } from 'node:os';
import { beforeAll, expect, test } from 'vitest';
import { withRegistryContainer } from '../../src/pack/registry-container.ts';
import { leftovers } from '../helpers/leftovers.ts';
import { buildRegistryImage } from '../helpers/registry-image.ts';
import { buildSmallImage, run } from '../helpers/small-image.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const SMALL = 'claude-bottle-test/small:1';
let registryImage: string;

beforeAll(async () => {
  registryImage = await buildRegistryImage();
});

async function withRegistry(use: (port: number) => Promise<void>): Promise<void> {
  const warnings: string[] = [];
  await withRegistryContainer(
    {
      image: registryImage,
      signal: new AbortController().signal,
      onWarning: (message) => warnings.push(message),
    },
    use,
  );
  expect(warnings).toEqual([]);
}

test("claude-bottle's own steps work on it: tag, push, pull back", async () => {
  const nowhere = { tmp: '/nonexistent', store: '/nonexistent' };
  const before = await leftovers(nowhere);
  const imageId = await buildSmallImage(await tempDir(), SMALL);
  await withRegistry(async (port) => {
    const reference = `localhost:${port}/claude-bottle:${imageId.slice(7, 23)}`;
    await run('docker', ['tag', SMALL, reference]);
    await run('docker', ['push', reference]);
    await run('docker', ['image', 'rm', reference]);
    await run('docker', ['pull', reference]);
    const { stdout } = await run('docker', ['image', 'inspect', '--format', '{{.Id}}', reference]);
    expect(stdout.trim()).toBe(imageId);
    await run('docker', ['image', 'rm', reference]);
  });
  expect((await leftovers(nowhere)).filter((line) => !before.includes(line))).toEqual([]);
});

test('nothing but this host reaches it: no other address, no container of another network', async () => {
  await buildSmallImage(await tempDir(), SMALL);
  await withRegistry(async (port) => {
    expect((await fetch(`http://127.0.0.1:${port}/v2/`)).status).toBe(200);
    const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    for (const { address, family, internal } of addresses) {
      if (family === 'IPv4' && !internal) {
        await expect(fetch(`http://${address}:${port}/v2/`), address).rejects.toThrow('fetch failed');
      }
    }
    const { stdout: name } = await run('docker', [
      'ps',
      '--filter',
      'name=cbp-registry-',
      '--format',
      '{{.Names}}',
    ]);
    const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
    const { stdout: ip } = await run('docker', ['inspect', '--format', format, name.trim()]);
    const probe = `/bin/busybox nc -w 2 ${ip.trim()} 5000 < /dev/null && echo reached || echo no way`;
    const { stdout } = await run('docker', ['run', '--rm', '--entrypoint', '/bin/sh', SMALL, '-c', probe]);
    expect(stdout.trim()).toBe('no way');
    const sameNetwork = [
      'run',
      '--rm',
      '--network',
      name.trim(),
      '--entrypoint',
      '/bin/sh',
      SMALL,
      '-c',
      probe,
    ];
    expect((await run('docker', sameNetwork)).stdout.trim(), 'the probe can tell').toBe('reached');
  });
});

test('it is removed when its user fails', async () => {
  const nowhere = { tmp: '/nonexistent', store: '/nonexistent' };
  const before = await leftovers(nowhere);
  await expect(withRegistry(() => Promise.reject(new Error('smolvm failed')))).rejects.toThrow(
    'smolvm failed',
  );
  expect((await leftovers(nowhere)).filter((line) => !before.includes(line))).toEqual([]);
});
