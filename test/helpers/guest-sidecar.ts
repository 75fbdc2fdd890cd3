import { Readable } from 'node:stream';
import { SidecarWriter } from '../../src/sidecar/write.ts';
import { readTar } from '../../src/tar/read.ts';
import { SAMPLE_CONFIG_DIGEST, tar } from './sample-sidecar.ts';

/** A sidecar in frames, as packer direct writes them, whose guest has what is in `root`. */
export async function writeGuestSidecar(path: string, root: string, settings: object = {}): Promise<void> {
  await writeLayerSidecar(path, [tar(root)], settings);
}

/** The same with any layer. */
export async function writeLayerSidecar(
  path: string,
  layerTar: readonly Buffer[],
  settings: object = {},
): Promise<void> {
  const writer = await SidecarWriter.create(path);
  try {
    const layer = await writer.addTar(
      readTar(Readable.from(layerTar)),
      (digest) => `layers/${digest.replace('sha256:', '')}.tar`,
    );
    await writer.finish({
      image: `localhost/claude-bottle@sha256:${'a'.repeat(64)}`,
      digest: SAMPLE_CONFIG_DIGEST,
      platform: 'linux/amd64',
      host_platform: 'linux/amd64',
      created: '2026-11-23T11:11:16Z',
      smolvm_version: '1.32.2',
      cpus: 4,
      mem: 8192,
      mode: 'container',
      assets: {
        libraries: [],
        agent_rootfs: { path: 'agent-rootfs.tar', size: 0 },
        layers: [{ digest: layer.digest, path: layer.path, size: layer.sizeBytes }],
      },
      ...settings,
    });
  } finally {
    await writer.close();
  }
}
