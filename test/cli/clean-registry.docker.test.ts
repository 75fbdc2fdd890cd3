import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { publishToRegistry } from '../../src/publish/oci-registry.ts';
import { githubSite } from '../../src/remote/github.ts';
import { HttpClient } from '../../src/remote/http.ts';
import { OciRepository } from '../../src/remote/oci.ts';
import { sampleCheckout } from '../helpers/checkout.ts';
import { runCli } from '../helpers/cli.ts';
import { LACKS_REGISTRY, startDockerRegistry } from '../helpers/docker-registry.ts';
import { sampleSidecar } from '../helpers/oci-publish.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const PLATFORM = 'linux/amd64';

test.skipIf(LACKS_REGISTRY)(
  'clean-registry removes what only old commits lead to, and only when it is told to',
  async () => {
    const registry = await startDockerRegistry();
    const place = `${registry.host}/acme/tools/smolmachine`;
    const checkout = await sampleCheckout();
    const { key } = await checkout.inputs();
    const head = await checkout.git('rev-parse', 'HEAD');
    const http = new HttpClient({ signal: new AbortController().signal });
    onTestFinished(() => http.close());
    const publish = async (inputsKey: string, commit: string) => {
      const { path, record } = await sampleSidecar(PLATFORM, inputsKey);
      const old = { ...record, packedAt: '2020-01-01T00:00:00.000Z' };
      await publishToRegistry(
        {
          name: { registry: registry.host, repository: 'acme/tools/smolmachine' },
          sidecars: [{ path, record: old }],
          tags: [`sha-${commit}`],
        },
        {
          http,
          github: await githubSite({ env: {} }),
          signal: new AbortController().signal,
          onProgress: () => {},
        },
      );
    };
    await publish('e'.repeat(64), 'b'.repeat(40));
    await publish(key, head);
    // A branch that only the remote has, and a sidecar that its lock file names.
    await publish('f'.repeat(64), 'c'.repeat(40));
    const { digest: locked } = await new OciRepository(
      { registry: registry.host, repository: 'acme/tools/smolmachine' },
      {
        http,
        github: await githubSite({ env: {} }),
        signal: new AbortController().signal,
        onWarning: () => {},
      },
    ).getManifest(`sha-${'c'.repeat(40)}-linux-amd64`);
    await fs.writeFile(join(checkout.dir, 'claude-bottle.lock'), `{"address": "oci:${place}@${locked}"}`);
    const branch = await checkout.commit();
    await checkout.git('reset', '--quiet', '--hard', 'HEAD~1');
    await checkout.git('update-ref', 'refs/remotes/origin/stable', branch);
    await publish('d'.repeat(64), branch);
    const clean = (...args: string[]) =>
      runCli(['clean-registry', place, '--context', checkout.dir, ...args, '--json']);

    const shallow = join(await tempDir(), 'shallow');
    await checkout.git('clone', '--quiet', '--depth', '1', `file://${checkout.dir}`, shallow);
    const refused = await runCli(['clean-registry', place, '--context', shallow, '--delete']);
    expect(refused.exitCode).toBe(64);
    expect(refused.stderr).toContain('shallow clone of 1 commits');

    const dry = await clean();
    expect(dry.exitCode, dry.stderr).toBe(0);
    const { removed, keptTags } = JSON.parse(dry.stdout);
    expect(removed.flatMap(({ tags }: { tags: string[] }) => tags)).toContain(`sha-${'b'.repeat(40)}`);
    const all = [head, 'c'.repeat(40), branch].map((commit) => `sha-${commit}`);
    expect(keptTags).toEqual(expect.arrayContaining(all));

    const done = await clean('--delete');
    expect(done.exitCode, done.stderr).toBe(0);
    expect(JSON.parse(done.stdout).removed).toEqual(removed);
    expect(JSON.parse((await clean()).stdout).removed).toEqual([]);
    const fetched = await runCli([
      ...['fetch', '--context', checkout.dir, '--platform', PLATFORM, '--dry-run', '--from', `oci:${place}`],
    ]);
    expect(fetched.exitCode, fetched.stderr).toBe(0);
  },
);
