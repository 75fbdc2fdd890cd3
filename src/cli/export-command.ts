import { resolve } from 'node:path';
import { BottleError } from '../errors.ts';
import { formatBytes } from '../host/disk.ts';
import { type ImageId, id16, parseId16 } from '../identity/image-id.ts';
import { type InputsKey, parseInputsKey } from '../identity/inputs-key.ts';
import { keyTag, registryRepository, sharedTags } from '../identity/oci-names.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { GUEST_PLATFORMS, parseGuestPlatform } from '../identity/platform.ts';
import { publishedName } from '../identity/published-name.ts';
import {
  bundleManifest,
  indexOf,
  type Published,
  referrer,
  sidecarManifest,
} from '../remote/sidecar-manifests.ts';
import { readSidecar } from '../sidecar/verify.ts';
import { storeDir } from '../store/location.ts';
import { writeLayout } from '../store/oci-layout.ts';
import { Store } from '../store/store.ts';
import github from '../trust/roots/github.json' with { type: 'json' };
import publicGood from '../trust/roots/public-good.json' with { type: 'json' };
import { type BuildCommandOptions, readInputs } from './build-options.ts';
import type { Output } from './output.ts';

/** How a layout names what is in it: https://github.com/opencontainers/image-spec/blob/main/annotations.md */
const REF_NAME_ANNOTATION = 'org.opencontainers.image.ref.name';
/** What --trusted-root takes: a root of Sigstore on each line. */
const ROOTS_TYPE = 'application/vnd.dev.claude-bottle.trusted-roots.v1+jsonl';
const ROOTS_TAG = 'trusted-roots';
/** Of an image that was packed as it was found. */
const NAMELESS = { repository: 'claude-bottle', tag: 'latest' };

export interface ExportCommandOptions extends BuildCommandOptions {
  readonly out?: string;
  readonly store?: string;
}

interface ToExport {
  readonly path: string;
  readonly record: PackRecord;
  readonly bundle: Buffer | undefined;
}

/** `claude-bottle export`: sidecars of the store in one file, for a machine without a network. */
export async function runExport(
  id: string | undefined,
  options: ExportCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const { onProgress } = output;
  const store = await Store.open(storeDir(options.store));
  const found =
    id === undefined
      ? await findForCheckout(store, options, output, signal)
      : [await findById(store, id, signal)];
  const [first] = found as [Found];
  const sidecars: ToExport[] = await Promise.all(
    found.map(async (each) => ({ ...each, bundle: await store.readBundle(each.record.sidecar.sha256) })),
  );
  const target = resolve(options.out ?? `smolmachine-${shortName(first.record)}.oci.tar`);
  const { tags, index, published, images } = await describe(sidecars);

  const totalBytes = sidecars.reduce((sum, { record }) => sum + record.sidecar.sizeBytes, 0);
  onProgress({ type: 'start', stage: 'export', detail: target });
  const sizeBytes = await writeLayout(
    target,
    {
      index,
      blobs: published.flatMap(({ manifest, blobs }) => [manifest, ...blobs]),
      files: sidecars.map(({ path, record: { sidecar } }) => ({ path, ...sidecar })),
    },
    {
      signal,
      onBytes: (doneBytes) => onProgress({ type: 'bytes', stage: 'export', doneBytes, totalBytes }),
    },
  );
  onProgress({ type: 'done', stage: 'export', sizeBytes, detail: target });
  const exported = sidecars.map(({ record, bundle }, position) => ({
    platform: record.platform,
    imageId: record.image.id,
    key: record.inputs?.key ?? null,
    sha256: record.sidecar.sha256,
    sizeBytes: record.sidecar.sizeBytes,
    manifestDigest: images[position]?.descriptor.digest,
    hasProvenance: bundle !== undefined,
  }));
  output.result({ path: target, sizeBytes, tags, sidecars: exported }, [
    `exported      ${formatBytes(sizeBytes)} to ${target}`,
    ...exported.map(
      ({ platform, sha256, hasProvenance }) =>
        `${platform}   sha256 ${sha256}, ${hasProvenance ? 'with' : 'without'} provenance`,
    ),
    `import with   claude-bottle import FILE, in a checkout of the same commit`,
  ]);
  return 0;
}

type Found = Omit<ToExport, 'bundle'>;

/** All platforms that the store has, or the one that was named. */
async function findForCheckout(
  store: Store,
  options: ExportCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<Found[]> {
  const platforms = options.platform === undefined ? GUEST_PLATFORMS : [parseGuestPlatform(options.platform)];
  const found: Found[] = [];
  for (const platform of platforms) {
    const { record } = await readInputs(options, platform, output, signal);
    const kept = await store.findByKey(record.key, platform);
    if (kept !== undefined) {
      found.push(kept);
    }
  }
  if (found.length === 0) {
    throw new BottleError(
      'not-found',
      `the store has no sidecar of this checkout for ${platforms.join(' or ')}`,
      {
        hint: 'get it first: claude-bottle fetch --no-bind --platform PLATFORM',
      },
    );
  }
  return found;
}

async function findById(store: Store, text: string, signal: AbortSignal): Promise<Found> {
  const id = parseId16(text);
  if (id === undefined) {
    throw new BottleError('usage', `not an image ID: ${JSON.stringify(text)}`, {
      hint: 'use an image ID or its first 16 hex digits; claude-bottle ls lists them',
    });
  }
  const { path, record } = await store.verify(store.pathFor(id), { signal });
  if (record === undefined) {
    throw new BottleError('not-found', `${path} has no pack record: something else has put it there`, {
      hint: 'pack the image with claude-bottle pack',
    });
  }
  return { path, record };
}

interface Description {
  /** What the layout is entered by, for other tools. */
  readonly tags: readonly string[];
  readonly index: Buffer;
  readonly images: readonly Published[];
  /** All manifests. */
  readonly published: readonly Published[];
}

/** What we push to a registry, and with it the trust roots: where there is no network they become old unnoticed. */
async function describe(sidecars: readonly ToExport[]): Promise<Description> {
  const images: Published[] = [];
  const bundles: Published[] = [];
  for (const { path, record, bundle } of sidecars) {
    const image = await describeSidecar(path, record);
    images.push(image);
    if (bundle !== undefined) {
      bundles.push(bundleManifest(image.descriptor, bundle));
    }
  }
  const platforms = indexOf(images.map(({ descriptor }) => descriptor));
  const roots = referrer(platforms.descriptor, ROOTS_TYPE, {
    bytes: Buffer.from([publicGood, github].map((root) => `${JSON.stringify(root)}\n`).join('')),
    fileName: 'trusted-root.jsonl',
  });
  const tags = [...new Set(sidecars.flatMap(({ record }) => tagsOf(record)))];
  const named = (descriptor: Published['descriptor'], tag: string) => ({
    ...descriptor,
    annotations: { [REF_NAME_ANNOTATION]: tag },
  });
  const { manifest: index } = indexOf([
    ...tags.map((tag) => named(platforms.descriptor, tag)),
    ...bundles.map(({ descriptor }) => descriptor),
    named(roots.descriptor, ROOTS_TAG),
  ]);
  return { tags, index, images, published: [platforms, ...images, ...bundles, roots] };
}

async function describeSidecar(path: string, record: PackRecord): Promise<Published> {
  const { manifest } = await readSidecar(path);
  const repository = registryRepository(record.source?.repository ?? NAMELESS.repository);
  return sidecarManifest({
    record,
    config: manifest,
    mode: manifest.mode ?? 'container',
    fileName: publishedName(record.platform, shortName(record) as InputsKey),
    title: `${repository}:${tagsOf(record)[0]}`,
  });
}

/** Those that a registry has: `claude-bottle fetch` finds it there under the first, once it is copied to one. */
function tagsOf({ inputs, source }: PackRecord): string[] {
  const tags = [
    ...(inputs === undefined ? [] : [keyTag(parseInputsKey(inputs.key))]),
    ...(source === undefined ? [] : sharedTags(source)),
  ];
  return tags.length > 0 ? tags : [NAMELESS.tag];
}

function shortName({ inputs, image }: PackRecord): string {
  return inputs?.key.slice(0, 16) ?? id16(image.id as ImageId);
}
