import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { SigstoreDouble, workflowClaims } from '../doubles/sigstore/sigstore.ts';
import { type Checkout, sampleCheckout } from '../helpers/checkout.ts';
import { type CliResult, runCli } from '../helpers/cli.ts';
import { fixedEngine } from '../helpers/fixed-engine.ts';
import { SAMPLE_CONFIG_DIGEST, writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { bytesOf, statement, writeRoot } from '../trust/signed.ts';

// Checkouts of several repositories on one machine, and sidecars that each of them publishes.

const SIGSTORE = new SigstoreDouble();
/** What a build of every checkout gives on this machine. */
export const LOCAL = imageIdOf('local');

export function imageIdOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

export interface Published {
  readonly path: string;
  readonly bytes: Buffer;
  readonly record: PackRecord;
}

export interface Publish {
  /** What the record claims. */
  readonly repository?: string | undefined;
  readonly imageId?: string;
  readonly key?: string;
  readonly packedAt?: string;
  readonly isSigned?: boolean;
  readonly runId?: number;
  readonly ref?: string;
  /** The server that signed for it, and the IDs that the repository and its owner have there. */
  readonly serverUrl?: string;
  readonly ids?: { readonly repository: number; readonly owner: number };
}

let counter = 0;

/** A sidecar unlike all others, for the inputs of a checkout, with its record and perhaps its signature beside it. */
export async function publish(checkout: Checkout, options: Publish = {}): Promise<Published> {
  const { repository, imageId = imageIdOf('CI'), isSigned, runId = 1000, ref = 'refs/heads/main' } = options;
  counter += 1;
  const path = join(await tempDir(), 'agent.smolmachine');
  const created = new Date(Date.UTC(2026, 0, 1) + counter).toISOString();
  const { layerDigest } = await writeSample(path, ({ manifest }) => ({ manifest: { ...manifest, created } }));
  const { sha256, sizeBytes, crc32 } = await verifySidecar(path);
  const inputs = await checkout.inputs();
  const commit = await checkout.git('rev-parse', 'HEAD');
  const record: PackRecord = {
    version: 1,
    platform: 'linux/amd64',
    image: { id: imageId as PackRecord['image']['id'], layers: [], runtimeConfigSha256: '0'.repeat(64) },
    flattened: { configDigest: SAMPLE_CONFIG_DIGEST, layerDigest, layerSizeBytes: 1 },
    sidecar: { sha256, sizeBytes, crc32 },
    smolvm: { version: '1.9.3' },
    hop: 'embedded',
    packedAt: options.packedAt ?? '2026-11-23T00:00:00.000Z',
    inputs: { ...inputs, key: (options.key ?? inputs.key) as typeof inputs.key },
    ...(repository !== undefined && {
      source: { repository, commit, ref, event: 'push', runId: String(runId), runAttempt: 1 },
    }),
  };
  await fs.writeFile(`${path}.json`, JSON.stringify(record));
  if (isSigned) {
    const uri = `${options.serverUrl ?? 'https://github.com'}/${repository}`;
    const workflow = `${uri}/.github/workflows/pack.yml@refs/heads/main`;
    const claims = workflowClaims({
      ...{ 9: workflow, 12: uri, 13: commit, 14: ref, 18: workflow },
      21: `${uri}/actions/runs/${runId}/attempts/1`,
      ...(options.ids && { 15: String(options.ids.repository), 17: String(options.ids.owner) }),
    });
    await fs.writeFile(`${path}.sigstore.json`, bytesOf(SIGSTORE.sign(statement({}, record), { claims })));
  }
  return { path, bytes: await fs.readFile(path), record };
}

/** Writes down whose signatures are believed: those of all sidecars here that are signed. */
export async function writeTrustedRoot(dir: string): Promise<string> {
  return await writeRoot(dir, SIGSTORE);
}

/** A machine with an engine of its own, on which every checkout is of the same files. */
export async function machine() {
  const home = await tempDir();
  const store = join(home, '.cache/claude-bottle/smolmachines');
  const engine = await fixedEngine(LOCAL);
  const root = await writeTrustedRoot(home);
  const env = {
    HOME: home,
    GH_TOKEN: '',
    GITHUB_TOKEN: '',
    HTTPS_PROXY: 'http://127.0.0.1:9',
    ...engine.env,
  };
  const cli = (checkout: Checkout, command: string, ...args: string[]): Promise<CliResult> =>
    runCli([command, '--context', checkout.dir, ...args], env);
  const fetch = (checkout: Checkout, { path }: Pick<Published, 'path'>, ...args: string[]) =>
    cli(checkout, 'fetch', '--from', `file:${path}`, '--trusted-root', root, ...args);
  const name = join(store, `${LOCAL.slice(7, 23)}.smolmachine.smolmachine`);
  return { home, store, engine, root, env, cli, fetch, name };
}

export async function checkoutOf(remote: string | undefined): Promise<Checkout> {
  const checkout = await sampleCheckout();
  await (remote === undefined
    ? checkout.git('remote', 'remove', 'origin')
    : checkout.git('remote', 'set-url', 'origin', remote));
  return checkout;
}
