/**
 * Real smolvm binaries for the tests, from the wheels of the Python package index and without Docker or KVM:
 * `node scripts/real-smolvm.ts [VERSION...]` installs them and prints their directories.
 */
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { makeTemplates, unpackWheel } from '../src/action/smolvm-wheel.ts';
import { hasErrno } from '../src/errors.ts';
import { sweepPrivateDirs, withPrivateDir } from '../src/host/private-dir.ts';

/** The SHA-256 of the wheel for Linux on x86_64, by version: the oldest that is supported, some between, the newest. */
const WHEELS = {
  '1.9.1': 'aab3c881f295f933c9a24dab1cdbf9d5ea9ee438810737461642d06da1a6da5d',
  '1.13.1': '1241ffae6768098d7e719e8cffb34b1b5056d047812907ef6e482a48a5258d46',
  '1.17.0': '680bb0845154ca0a5ffed0b3d0e2717686a36b3c125ee2d06dded73036c614e2',
  '1.22.2': '74b91b61101f2d470e4e1b837d269a6a47b5afe217d5be490354ca91bc004b02',
  '1.28.1': '858d3b77ef00b65dcad24c978b63dc69244fae49a7555e4a2a0d781d4053cd68',
  '1.32.2': '81b104e2622aa0b187b6b7054397c391151b83db2638a16d0e54c517684f0dc2',
} as const;

export type RealVersion = keyof typeof WHEELS;

export const REAL_VERSIONS = Object.keys(WHEELS) as RealVersion[];

const CACHE = join(
  process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
  'claude-bottle-pack-tests/smolvm',
);

/**
 * The directory of a real smolvm, laid out as a release: `smolvm`, `smolvm-bin`, `lib/`, `agent-rootfs/` and the two
 * disk templates. It is kept for later runs, so nothing in it may be changed. Callers may come at the same time.
 */
export async function realSmolvm(version: RealVersion): Promise<string> {
  const dir = join(CACHE, version);
  if (!existsSync(dir)) {
    await fs.mkdir(CACHE, { recursive: true });
    await sweepPrivateDirs(CACHE, { onWarning: (message) => console.error(message) });
    await withPrivateDir(CACHE, async (parent) => {
      const fresh = join(parent, version);
      await fs.mkdir(fresh);
      await unpackWheel({ version, sha256: WHEELS[version] }, fresh);
      await makeTemplates(fresh);
      await fs.rename(fresh, dir).catch((error: unknown) => {
        // Another caller was faster, and its copy is as good.
        if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST')) {
          throw error;
        }
      });
    });
  }
  return dir;
}

if (import.meta.main) {
  const asked = process.argv.slice(2);
  const unknown = asked.find((version) => !Object.hasOwn(WHEELS, version));
  if (unknown !== undefined) {
    throw new Error(`the wheel of smolvm ${unknown} is not pinned; known are ${REAL_VERSIONS.join(', ')}`);
  }
  for (const version of asked.length > 0 ? (asked as RealVersion[]) : REAL_VERSIONS) {
    console.log(`${version} ${await realSmolvm(version)}`);
  }
}
