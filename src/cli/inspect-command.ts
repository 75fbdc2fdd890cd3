import { formatBytes } from '../host/disk.ts';
import { counted } from '../identity/shown-text.ts';
import { describeSigner } from '../identity/signer.ts';
import { readRecord, recordPathOf } from '../sidecar/file.ts';
import { type SidecarManifest, unknownKeys } from '../sidecar/manifest.ts';
import { readSidecar } from '../sidecar/verify.ts';
import { storeDir } from '../store/location.ts';
import { type ListedSidecar, listSidecars } from '../store/read.ts';
import { Store } from '../store/store.ts';
import type { InspectCommandOptions } from './flags/inspect.ts';
import type { Output } from './output.ts';
import { findId } from './stored-id.ts';

type Row = readonly [name: string, value: string | undefined];

/** `claude-bottle inspect`: what the footer and the manifest say, without reading the rest, and who it came from. */
export async function runInspect(
  fileOrId: string,
  options: InspectCommandOptions,
  output: Output,
): Promise<number> {
  const store = await Store.open(storeDir(options.store), output.onProgress);
  const id = await findId(store, fileOrId);
  const file = id === undefined ? fileOrId : store.pathFor(id);
  const { sizeBytes, footer, manifest } = await readSidecar(file);
  const stored =
    id === undefined
      ? undefined
      : (await listSidecars(store)).find(({ names }) => names.some((name) => name.id16 === id));
  const rows = [
    ['file', file] as const,
    ['size', `${formatBytes(sizeBytes)}, not verified now (claude-bottle verify)`] as const,
    ...(stored === undefined ? await claimsOf(file, output) : rowsOfStored(stored, output)),
    ...rowsOf(manifest, output),
  ];
  output.result(
    { file, sizeBytes, footer, manifest, ...(stored && { stored }) },
    rows.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(11)} ${value}`])),
  );
  return 0;
}

/** What the store wrote down when it verified and installed the sidecar. */
function rowsOfStored({ origins, sha256 }: ListedSidecar, { digest }: Output): Row[] {
  return [
    ['sha256', sha256 && digest(sha256)],
    ...origins.flatMap(({ origin, commit, key, signer, packedAt }): Row[] => [
      ['origin', `${origin}${commit === undefined ? '' : `, commit ${digest(commit)}`}, packed ${packedAt}`],
      ['signed by', signer === undefined ? 'nobody' : describeSigner(signer)],
      ['inputs key', key && digest(key)],
    ]),
  ];
}

/** What the record beside a file says, which anyone can write. */
async function claimsOf(file: string, { digest }: Output): Promise<Row[]> {
  const record = await readRecord(recordPathOf(file));
  const source = record?.source;
  const origin = source && `${source.repository}, commit ${digest(source.commit)}`;
  return [
    ['origin', origin && `${origin}, by its record (claude-bottle verify checks the signature)`],
    ['inputs key', record?.inputs && digest(record.inputs.key)],
  ];
}

function rowsOf(manifest: SidecarManifest, { digest }: Output): Row[] {
  const { assets } = manifest;
  const unknown = unknownKeys(manifest);
  return [
    ['platform', manifest.platform],
    [
      'packed by',
      `smolvm ${manifest.smolvm_version ?? '(unknown)'} on ${manifest.host_platform ?? '(unknown)'}`,
    ],
    ['created', manifest.created],
    ['image', digest(manifest.image)],
    ['config', manifest.digest === undefined ? undefined : digest(manifest.digest)],
    ['machine', `${counted(manifest.cpus, 'CPU')}, ${manifest.mem} MiB`],
    ['entrypoint', manifest.entrypoint && JSON.stringify(manifest.entrypoint)],
    ['cmd', manifest.cmd && JSON.stringify(manifest.cmd)],
    ['workdir', manifest.workdir ?? undefined],
    ['user', manifest.user ?? undefined],
    ['env', manifest.env?.join(' ')],
    ...assets.layers.map((layer): Row => ['layer', `${digest(layer.digest)}, ${formatBytes(layer.size)}`]),
    ['agent', formatBytes(assets.agent_rootfs.size)],
    ['storage', assets.storage_template ? formatBytes(assets.storage_template.size) : undefined],
    ['unknown', unknown.length === 0 ? undefined : `manifest keys ${unknown.join(', ')}`],
  ];
}
