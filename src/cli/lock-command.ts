import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { readBuildInputs } from '../context/build-inputs.ts';
import { BottleError } from '../errors.ts';
import { explainMiss } from '../fetch/explain-miss.ts';
import { findOffer } from '../fetch/fetch.ts';
import {
  LOCK_FILE,
  type Locked,
  lockedOf,
  readLockFile,
  requireLockable,
  writeLockFile,
} from '../fetch/lock-file.ts';
import { originOfCheckout } from '../identity/origin.ts';
import { GUEST_PLATFORMS, type GuestPlatform, parseGuestPlatform } from '../identity/platform.ts';
import { storeDir } from '../store/location.ts';
import { Store } from '../store/store.ts';
import { judge } from '../trust/judge.ts';
import type { LockCommandOptions } from './flags/lock.ts';
import type { Output } from './output.ts';
import { openSources } from './sources.ts';
import { trustOf } from './trust-options.ts';

/** `claude-bottle lock`: writes down which sidecar each platform has for this checkout, and where it is. */
export async function runLock(
  options: LockCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const { context, file, target, buildArg: buildArgs } = options;
  const read = (platform: GuestPlatform) =>
    readBuildInputs({ context, file, target, buildArgs, platform, signal });
  const wantedPlatforms = options.platform.map(parseGuestPlatform);
  const store = await Store.open(storeDir(options.store), output.onProgress);
  const trust = await trustOf(options);
  const { tools, sources, aboutRemotes, isSearch, forBuild } = await openSources(
    context,
    options,
    { address: options.from, isLocked: true },
    output,
    signal,
  );
  const locked: Array<readonly [GuestPlatform, Locked]> = [];
  try {
    for (const platform of wantedPlatforms.length > 0 ? wantedPlatforms : GUEST_PLATFORMS) {
      const inputs = await read(platform);
      const { record, entries } = inputs;
      if (entries.some(({ path }) => path === LOCK_FILE)) {
        throw lockInBuild();
      }
      const wanted = forBuild({ key: record.key, platform });
      try {
        const { offer, evidence } = await findOffer({
          wanted,
          demands: { sameInputs: true, knownSource: options.from === undefined },
          sources,
          tools,
          explainMiss: (nearest) =>
            explainMiss(nearest, inputs, { platform, context, isSearch, aboutRemotes }),
          signal,
          onProgress: output.onProgress,
        });
        await judge(evidence, originOfCheckout(wanted.serverUrl, wanted.repository), trust, store.layout);
        requireLockable(offer.address, { repository: wanted.repository, github: tools.github });
        locked.push([platform, lockedOf(offer, record.key)]);
      } catch (error) {
        // Without --platform, what there is gets locked.
        if (wantedPlatforms.length > 0 || !(error instanceof BottleError && error.code === 'not-found')) {
          throw error;
        }
        output.note(`${platform}: ${error.message}`);
      }
    }
  } finally {
    tools.http.close();
  }
  if (locked.length === 0) {
    throw new BottleError(
      'not-found',
      'nothing is published for this checkout, so there is nothing to lock',
      {
        hint: 'claude-bottle fetch --dry-run  # says where it looks',
      },
    );
  }
  const path = join(context, LOCK_FILE);
  const isNew = await fs.access(path).then(
    () => false,
    () => true,
  );
  if (!isNew) {
    locked.push(...(await stillGood(path, locked, { read, output })));
    locked.sort(([a], [b]) => GUEST_PLATFORMS.indexOf(a) - GUEST_PLATFORMS.indexOf(b));
  }
  await writeLockFile(path, locked);
  for (const [platform, { key }] of isNew ? locked : []) {
    const { record } = await read(platform);
    if (record.key !== key) {
      await fs.rm(path);
      throw lockInBuild();
    }
  }
  output.result({ path, platforms: Object.fromEntries(locked) }, [
    path,
    ...locked.map(([platform, { sha256, address: where }]) => `${platform}  sha256 ${sha256}  ${where}`),
  ]);
  return 0;
}

/** What an older lock file has for other platforms, as long as the checkout has the same inputs. */
async function stillGood(
  path: string,
  locked: ReadonlyArray<readonly [GuestPlatform, Locked]>,
  { read, output }: { read: (platform: GuestPlatform) => ReturnType<typeof readBuildInputs>; output: Output },
): Promise<Array<readonly [GuestPlatform, Locked]>> {
  const older = await readLockFile(path).catch((error: unknown) => {
    if (error instanceof BottleError && error.code === 'sidecar-damaged') {
      output.note(`${error.message}; writing a new one`);
      return undefined;
    }
    throw error;
  });
  const good: Array<readonly [GuestPlatform, Locked]> = [];
  for (const platform of GUEST_PLATFORMS) {
    const entry = older?.platforms[platform];
    if (entry !== undefined && !locked.some(([each]) => each === platform)) {
      const { record } = await read(platform);
      if (record.key === entry.key) {
        good.push([platform, entry]);
      } else {
        output.note(`no longer locked: ${platform}, which ${LOCK_FILE} had for other inputs than these`);
      }
    }
  }
  return good;
}

/** A lock file that goes into the build would change the key that it locks. */
function lockInBuild(): BottleError {
  return new BottleError('usage', `${LOCK_FILE} would be part of the build, and change its inputs key`, {
    hint: `list ${LOCK_FILE} in .dockerignore`,
  });
}
