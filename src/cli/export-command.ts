import * as fs from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BottleError, fileError } from '../errors.ts';
import { formatBytes } from '../host/disk.ts';
import { describeOrigin, type Origin } from '../identity/origin.ts';
import { GUEST_PLATFORMS, parseGuestPlatform } from '../identity/platform.ts';
import { publishedNameOf } from '../identity/published-name.ts';
import { copySidecar, type PackedSidecar } from '../sidecar/file.ts';
import { storeDir } from '../store/location.ts';
import {
  findHits,
  readBundle,
  type StoredSidecar,
  storedSidecar,
  usableInstallation,
  verifyNamed,
} from '../store/read.ts';
import { Store } from '../store/store.ts';
import { readInputs } from './build-options.ts';
import { checkoutOrigin } from './checkout-origin.ts';
import type { ExportCommandOptions } from './flags/export.ts';
import type { Output } from './output.ts';
import { findId } from './stored-id.ts';
import { SIGNS } from './style.ts';

/** `claude-bottle export`: copies sidecars of the store with their records and bundles, for a machine without a network. */
export async function runExport(
  dir: string,
  id: string | undefined,
  options: ExportCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const store = await Store.open(storeDir(options.store), output.onProgress);
  const origin = await checkoutOrigin(options);
  const found =
    id === undefined
      ? await findForCheckout(store, origin, options, output, signal)
      : [await findById(store, id, origin, signal)];
  const exported = [];
  for (const { path, record, sha256, origin: from } of found) {
    const bundle = await readBundle(store, sha256, from);
    const target = join(resolve(dir), publishedNameOf(record));
    await copyTo(target, { path, record, bundle }, output, signal);
    exported.push({
      platform: record.platform,
      imageId: record.image.id,
      key: record.inputs?.key ?? null,
      sha256: record.sidecar.sha256,
      sizeBytes: record.sidecar.sizeBytes,
      path: target,
      hasProvenance: bundle !== undefined,
    });
  }
  const [first] = exported;
  output.result({ sidecars: exported }, [
    ...exported.map(
      ({ platform, path, sizeBytes, hasProvenance }) =>
        `${SIGNS.ok} ${platform}, ${formatBytes(sizeBytes)}, ${hasProvenance ? '' : 'not '}signed: ${path}`,
    ),
    `To use it in another checkout of the same commit: claude-bottle fetch --from file:${first?.path}`,
  ]);
  return 0;
}

async function copyTo(
  target: string,
  sidecar: PackedSidecar,
  { onProgress }: Output,
  signal: AbortSignal,
): Promise<void> {
  const totalBytes = sidecar.record.sidecar.sizeBytes;
  onProgress({ type: 'start', stage: 'export', detail: target });
  await fs.mkdir(join(target, '..'), { recursive: true }).catch((error: unknown) => {
    throw fileError(`cannot make the directory of ${target}`, error);
  });
  await copySidecar(sidecar, target, {
    signal,
    onBytes: (doneBytes) => onProgress({ type: 'bytes', stage: 'export', doneBytes, totalBytes }),
  });
  onProgress({ type: 'done', stage: 'export', sizeBytes: totalBytes });
}

/** The sidecars of all platforms that the store has, or of the one that was named. */
async function findForCheckout(
  store: Store,
  origin: Origin,
  options: ExportCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<StoredSidecar[]> {
  const platforms = options.platform === undefined ? GUEST_PLATFORMS : [parseGuestPlatform(options.platform)];
  const found: StoredSidecar[] = [];
  for (const platform of platforms) {
    const { record } = await readInputs(options, platform, output, signal);
    const [best] = await findHits(store, { key: record.key, platform }, { origin });
    if (best !== undefined) {
      found.push(best);
    }
  }
  if (found.length === 0) {
    throw new BottleError(
      'not-found',
      `the store has no sidecar of this checkout for ${platforms.join(' or ')}`,
      { hint: `claude-bottle fetch --no-bind --platform ${platforms[0]}` },
    );
  }
  return found;
}

async function findById(
  store: Store,
  text: string,
  origin: Origin,
  signal: AbortSignal,
): Promise<StoredSidecar> {
  const id = await findId(store, text);
  if (id === undefined) {
    throw new BottleError('usage', `not an image ID: ${JSON.stringify(text)}`, {
      hint: 'claude-bottle ls  # lists the image IDs',
    });
  }
  const { path, content, given } = await verifyNamed(store, id, { signal });
  if (content === undefined || given === undefined) {
    throw new BottleError('not-found', `${path} has no pack record: something else has put it there`, {
      hint: 'claude-bottle pack  # packs it with a record',
    });
  }
  const installation = await usableInstallation(store, content, given.origin, { origin });
  if (installation === undefined) {
    throw new BottleError(
      'not-trusted',
      `${path} is a sidecar of another origin (${describeOrigin(given.origin)}), not of ${describeOrigin(origin)}`,
      { hint: 'export it in a checkout of that repository, or with --repo OWNER/NAME' },
    );
  }
  return storedSidecar(store.layout, content, installation);
}
