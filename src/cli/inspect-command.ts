import { formatBytes } from '../host/disk.ts';
import { unknownKeys } from '../sidecar/manifest.ts';
import { readSidecar } from '../sidecar/verify.ts';
import type { Output } from './output.ts';

/** `claude-bottle inspect`: what the footer and the manifest say, without reading the rest. */
export async function runInspect(file: string, output: Output): Promise<number> {
  const { sizeBytes, footer, manifest } = await readSidecar(file);
  const { assets } = manifest;
  const unknown = unknownKeys(manifest);
  const rows: Array<[name: string, value: string | undefined]> = [
    ['file', `${file}, ${formatBytes(sizeBytes)}, not verified (claude-bottle verify)`],
    ['platform', manifest.platform],
    [
      'packed by',
      `smolvm ${manifest.smolvm_version ?? '(unknown)'} on ${manifest.host_platform ?? '(unknown)'}`,
    ],
    ['created', manifest.created],
    ['image', manifest.image],
    ['config', manifest.digest],
    ['machine', `${manifest.cpus} CPUs, ${manifest.mem} MiB`],
    ['entrypoint', manifest.entrypoint && JSON.stringify(manifest.entrypoint)],
    ['cmd', manifest.cmd && JSON.stringify(manifest.cmd)],
    ['workdir', manifest.workdir ?? undefined],
    ['user', manifest.user ?? undefined],
    ['env', manifest.env?.join(' ')],
    ...assets.layers.map((layer): [string, string] => [
      'layer',
      `${layer.digest}, ${formatBytes(layer.size)}`,
    ]),
    ['agent', formatBytes(assets.agent_rootfs.size)],
    ['storage', assets.storage_template ? formatBytes(assets.storage_template.size) : undefined],
    ['unknown', unknown.length === 0 ? undefined : `manifest keys ${unknown.join(', ')}`],
  ];
  output.result(
    { file, sizeBytes, footer, manifest },
    rows.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(11)} ${value}`])),
  );
  return 0;
}
