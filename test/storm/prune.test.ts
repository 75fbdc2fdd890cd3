import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RepositoryOrigin } from '../../src/identity/origin.ts';
import { Store } from '../../src/store/store.ts';
import { touchUsed } from '../../src/store/used.ts';
import { startCli } from '../helpers/cli.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { bind, fetchSample, filesOf, imageId, installSample } from '../store/sample-store.ts';
import { type Place, runStorm, STORM_TIMEOUT_MS } from './storm.ts';

const ORIGIN: RepositoryOrigin = {
  kind: 'repository',
  serverUrl: 'https://github.com',
  repository: 'acme/tools',
};

/** A store with six sidecars: three that were packed here, of which one has two names, and three that were fetched. */
async function fullStore(): Promise<string> {
  const dir = join(await tempDir(), 'store');
  const store = await Store.open(dir);
  const first = await installSample(store, { id: imageId('0'), created: '0' });
  await bind(store, imageId('local'), first);
  for (const created of ['1', '2']) {
    await installSample(store, { id: imageId(created), created });
  }
  for (const created of ['3', '4', '5']) {
    await fetchSample(store, ORIGIN, { id: imageId(created), created });
  }
  await touchUsed(store, first.sidecar.sha256);
  return dir;
}

test(
  'a prune that is killed at any moment is completed by the next one, and removes nothing else',
  async () => {
    const template = await fullStore();
    let expected: readonly string[] | undefined;
    await runStorm('prune', {
      place: async (tmp): Promise<Place> => {
        const store = join(await tempDir(), 'store');
        // With its hard links.
        execFileSync('cp', ['--archive', template, store]);
        return { tmp, store };
      },
      start: ({ store }, env) =>
        startCli(['prune', '--store', store, '--max-size', '0MB', '--keep', '1', '--json'], env),
      afterNext: async ({ store }) => {
        const left = await filesOf(await Store.open(store));
        expected ??= left;
        expect(left).toEqual(expected);
        expect(left.filter((path) => path.startsWith('.pack/objects/'))).toHaveLength(2);
      },
    });
  },
  STORM_TIMEOUT_MS,
);
