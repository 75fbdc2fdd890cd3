import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { loopbackAddress } from './image-reference.ts';
import type { RegistryClient } from './registry-client.ts';

/** Runs crane itself, as the guest does. */
export const craneClient: RegistryClient = {
  manifest: async (image, platform) => {
    loopbackAddress(image);
    return await output(['manifest', image.text, '--platform', platform]);
  },
  config: async (image, platform) => {
    loopbackAddress(image);
    return await output(['config', image.text, '--platform', platform]);
  },
  blob: async (image, digest, path, platform) => {
    const { host, port } = loopbackAddress(image);
    const reference = `${host}:${port}/${image.repository}@${digest}`;
    const { stdout, ended } = start(['blob', reference, '--platform', platform]);
    await Promise.all([pipeline(stdout, createWriteStream(path)), ended]);
  },
};

export async function hasCrane(): Promise<boolean> {
  try {
    return (await output(['version'])).length > 0;
  } catch {
    return false;
  }
}

async function output(args: readonly string[]): Promise<Buffer> {
  const { stdout, ended } = start(args);
  const chunks: Buffer[] = [];
  stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  await ended;
  return Buffer.concat(chunks);
}

function start(args: readonly string[]) {
  // The guest has no docker login of the host's.
  const env = { ...process.env, DOCKER_CONFIG: '/nonexistent' };
  const child = spawn('crane', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      const message = Buffer.concat(errors).toString().trim();
      return code === 0 ? resolve() : reject(new Error(`crane ${args[0]} failed: ${message}`));
    });
  });
  return { stdout: child.stdout, ended };
}
