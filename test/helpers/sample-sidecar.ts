import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { AssetsMember, SidecarEnding } from '../doubles/smolvm/sidecar-writer.ts';
import { writeSidecar } from '../doubles/smolvm/sidecar-writer.ts';

export const SAMPLE_CONFIG_DIGEST = `sha256:${'c'.repeat(64)}` as const;
const STORAGE_BYTES = 4 * 1024 * 1024;

export interface Sample {
  readonly members: AssetsMember[];
  readonly manifest: ReturnType<typeof sampleManifest>;
  readonly layerDigest: `sha256:${string}`;
}

/** The parts of a small sidecar as smolvm 1.9 writes them, around a layer made by GNU tar. */
export async function sampleParts(dir: string): Promise<Sample> {
  const root = join(dir, 'root');
  await fs.mkdir(join(root, 'etc'), { recursive: true });
  await fs.writeFile(join(root, 'etc/motd'), 'hello from the layer\n');
  await fs.symlink('motd', join(root, 'etc/issue'));
  const layer = tar(root);
  const hex = createHash('sha256').update(layer).digest('hex');
  const agentRoot = join(dir, 'agent-root');
  await fs.mkdir(join(agentRoot, 'sbin'), { recursive: true });
  await fs.writeFile(join(agentRoot, 'sbin/agent'), 'agent');
  const agent = tar(agentRoot);
  await fs.rm(agentRoot, { recursive: true });
  return {
    members: [
      { path: 'agent-rootfs.tar', type: 'file', source: agent },
      { path: 'layers', type: 'directory' },
      { path: `layers/${hex}.tar`, type: 'file', source: layer },
      { path: 'storage.ext4', type: 'sparse', sizeBytes: STORAGE_BYTES, source: Buffer.alloc(4096, 1) },
    ],
    // smolvm measures the agent's tree before it packs it
    manifest: sampleManifest(`sha256:${hex}`, `layers/${hex}.tar`, layer.length, agent.length - 7680),
    layerDigest: `sha256:${hex}`,
  };
}

function sampleManifest(digest: string, path: string, size: number, agentSize: number) {
  return {
    image: `localhost:40123/claude-bottle@sha256:${'a'.repeat(64)}`,
    digest: SAMPLE_CONFIG_DIGEST,
    platform: 'linux/amd64',
    host_platform: 'linux/amd64',
    created: '2026-11-23T11:11:16.82444721Z',
    smolvm_version: '1.9.3',
    cpus: 4,
    mem: 8192,
    entrypoint: ['/bin/sh'],
    mode: 'container',
    network: false,
    gpu: false,
    cuda: false,
    assets: {
      libraries: [{ path: 'lib/libkrun.so.1', size: 8_138_576 }],
      agent_rootfs: { path: 'agent-rootfs.tar', size: agentSize },
      layers: [{ digest, path, size }],
      storage_template: { path: 'storage.ext4', size: STORAGE_BYTES },
    },
  };
}

/** A whole sidecar at `path`; `change` may spoil its parts first. */
export async function writeSample(
  path: string,
  change: (sample: Sample) => Partial<SidecarEnding> & { members?: AssetsMember[] } = () => ({}),
): Promise<Sample> {
  const sample = await sampleParts(dirname(path));
  await writeSidecar(path, { members: sample.members, manifest: sample.manifest, ...change(sample) });
  return sample;
}

export function tar(dir: string, ...options: string[]): Buffer {
  return execFileSync('tar', ['--create', '--sort=name', ...options, '--directory', dir, '.'], {
    maxBuffer: 256 * 1024 * 1024,
  });
}
