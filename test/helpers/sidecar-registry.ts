import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PublishedFile } from './checkout.ts';
import { type LoopbackServer, startServer } from './loopback-server.ts';

const SIDECAR_TYPE = 'application/vnd.smolmachines.smolmachine.v1';
const CONFIG_TYPE = 'application/vnd.smolmachines.machine.config.v1+json';

/** Answers in the place of the registry, and says so by returning true. */
export type Gate = (request: IncomingMessage, response: ServerResponse) => boolean;

/**
 * A registry that has one sidecar under every tag of every name, for the ways in which registries differ before they
 * hand it out.
 */
export async function startSidecarRegistry(
  { path, record }: PublishedFile,
  gate: Gate,
): Promise<LoopbackServer> {
  const sidecar = await fs.readFile(path);
  const config = Buffer.from('{}');
  const descriptor = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: SIDECAR_TYPE,
      config: descriptor(CONFIG_TYPE, config),
      layers: [descriptor(SIDECAR_TYPE, sidecar)],
      annotations: { 'dev.claude-bottle.pack-record': JSON.stringify(record) },
    }),
  );
  return await startServer((request, response) => {
    const url = request.url ?? '';
    const blob = [sidecar, config].find((bytes) => url.endsWith(`/blobs/${digestOf(bytes)}`));
    if (gate(request, response)) {
      return;
    }
    if (url === '/v2/') {
      response.end('{}');
    } else if (/\/manifests\/k-/.test(url)) {
      response.setHeader('content-type', 'application/vnd.oci.image.manifest.v1+json');
      response.end(manifest);
    } else {
      response.writeHead(blob === undefined ? 404 : 200).end(blob);
    }
  });
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
