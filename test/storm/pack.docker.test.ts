import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { bench } from '../helpers/bench.ts';
import { buildRegistryImage } from '../helpers/registry-image.ts';
import { buildSmallImage } from '../helpers/small-image.ts';
import { type Place, runStorm, STORM_TIMEOUT_MS } from './storm.ts';

const IMAGE = 'claude-bottle-test/small:1';
let id: string;
let context: string;
let registryImage: string;

beforeAll(async () => {
  const dir = await fs.mkdtemp('/tmp/claude-bottle-test-');
  id = await buildSmallImage(dir, IMAGE);
  context = join(dir, 'context');
  registryImage = await buildRegistryImage();
  return async () => await fs.rm(dir, { recursive: true });
});

interface PackPlace extends Place {
  readonly room: Awaited<ReturnType<typeof bench>>;
}

/** Together they have every stage that a pack can have. */
const PACKERS: Record<string, () => string[]> = {
  'by smolvm from a registry in our process': () => ['--no-build', '--smoke-test', 'true'],
  'by smolvm from a registry in a container': () => [
    ...['--context', context, '--hop', 'container', '--registry-image', registryImage],
  ],
  directly: () => ['--no-build', '--packer', 'direct'],
};

test.each(Object.entries(PACKERS))(
  'a pack %s that is killed at any moment is cleaned up and completed by the next one',
  async (packer, args) => {
    await runStorm<PackPlace>(`pack ${packer}`, {
      place: async () => {
        const room = await bench();
        return { tmp: room.tmp, store: room.store, room };
      },
      start: ({ room }, env) => room.startPack(['--image', IMAGE, ...args()], env),
      afterNext: async ({ store }) => {
        const names = (await fs.readdir(store)).filter((name) => name !== '.pack');
        expect(names).toEqual([`${id.slice(7, 23)}.smolmachine.smolmachine`]);
        expect((await fs.readdir(join(store, '.pack/objects/sha256'))).length).toBe(1);
      },
      left: async ({ room }) => await room.left(),
      // The engine is one for all.
      lanes: 1,
      share: 1 / Object.keys(PACKERS).length,
    });
  },
  STORM_TIMEOUT_MS,
);
