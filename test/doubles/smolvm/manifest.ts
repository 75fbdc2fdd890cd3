import type { PackCreateArguments } from './arguments.ts';
import { isSince, VERSION } from './knobs.ts';
import type { PulledImage } from './pull.ts';

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

export interface Asset {
  readonly path: string;
  readonly size: number;
}

export interface Assets {
  readonly libraries: readonly Asset[];
  readonly agent_rootfs: Asset;
  readonly layers: ReadonlyArray<Asset & { readonly digest: string }>;
  readonly storage_template: Asset;
}

export function hostArchitecture(): string {
  return ARCHITECTURES[process.arch] ?? process.arch;
}

/** The manifest with the fields in smolvm's order (crates/smolvm-pack/src/format.rs); empty lists are left out. */
export function makeManifest(args: PackCreateArguments, image: PulledImage, assets: Assets): object {
  const { os, architecture, config = {} } = image.config;
  const entrypoint = args.entrypoint === undefined ? config.Entrypoint : [args.entrypoint];
  return {
    mode: 'container',
    image: args.image,
    digest: image.configDigest,
    platform: `${os}/${architecture}`,
    ...(entrypoint?.length ? { entrypoint } : {}),
    ...(config.Cmd?.length ? { cmd: config.Cmd } : {}),
    ...(config.Env?.length ? { env: config.Env } : {}),
    ...(config.WorkingDir ? { workdir: config.WorkingDir } : {}),
    ...(config.User && isSince('1.16.0') ? { user: config.User } : {}),
    cpus: args.cpus,
    mem: args.memMib,
    image_size: image.sizeBytes,
    network: false,
    gpu: false,
    cuda: false,
    host_platform: `${process.platform}/${hostArchitecture()}`,
    created: timestamp(),
    smolvm_version: VERSION,
    assets,
  };
}

/** RFC 3339 with nanoseconds and without zeros at the end. */
function timestamp(): string {
  const nanos = String(process.hrtime.bigint() % 1_000_000n).padStart(6, '0');
  return `${new Date().toISOString().slice(0, -1)}${nanos}`.replace(/0+$/, '').concat('Z');
}
