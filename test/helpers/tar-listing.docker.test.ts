import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { ensureDebianImage } from './debian-image.ts';
import { diffListings, listContainer, listTar } from './tar-listing.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 10 * 60_000;

test(
  'the tar that docker export writes lists as the container sees its own tree',
  async () => {
    const image = await ensureDebianImage();
    const directory = await mkdtemp(join(tmpdir(), 'export-'));
    const container = (await run('docker', ['create', image])).stdout.trim();
    try {
      const tarPath = join(directory, 'export.tar');
      await run('docker', ['export', '--output', tarPath, container]);
      const [exported, seen] = [await listTar(tarPath), await listContainer(image)];
      expect(diffListings(exported, seen)).toEqual([]);
      // The comparison is worth something only if the hard cases are in it.
      for (const type of ['file', 'directory', 'symlink', 'char', 'block', 'fifo']) {
        expect([...seen.values()].map((facts) => facts.type)).toContain(type);
      }
      expect([...seen.values()].some((facts) => facts.capability !== undefined)).toBe(true);
      expect([...seen.values()].some((facts) => facts.links !== undefined)).toBe(true);
      expect(seen.has('var/lib/agent/state/settings.json')).toBe(true);
    } finally {
      await run('docker', ['rm', '--volumes', container]);
      await rm(directory, { recursive: true });
    }
  },
  TIMEOUT_MS,
);
