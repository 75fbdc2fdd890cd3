import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { SigstoreDouble, workflowClaims } from '../doubles/sigstore/sigstore.ts';
import { type Checkout, type PublishedFile, publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { type CliResult, runCli } from '../helpers/cli.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { bytesOf, statement, writeRoot } from '../trust/signed.ts';

const IMAGE_IDS = {
  'linux/amd64': `sha256:${'1'.repeat(64)}`,
  'linux/arm64': `sha256:${'2'.repeat(64)}`,
};
export const ON_AMD64 = ['--platform', 'linux/amd64', '--no-bind'];
const DOUBLE = new SigstoreDouble();

/** A machine of its own with a checkout, and no network: whatever is asked for ends at a closed port. */
export async function machine(checkout: Checkout, env: NodeJS.ProcessEnv = {}) {
  const home = await tempDir();
  const cli = (command: string, ...args: string[]): Promise<CliResult> =>
    runCli([command, ...args], {
      HOME: home,
      GH_TOKEN: '',
      GITHUB_TOKEN: '',
      HTTPS_PROXY: 'http://127.0.0.1:9',
      ...env,
    });
  const inCheckout = (command: string, ...args: string[]) => cli(command, '--context', checkout.dir, ...args);
  return { home, store: join(home, '.cache/claude-bottle/smolmachines'), cli, inCheckout };
}

/** A machine whose store has the checkout's sidecars, and the path of what it exports. */
export async function exporter(...platforms: PackRecord['platform'][]) {
  const checkout = await sampleCheckout();
  const here = await machine(checkout);
  const published: PublishedFile[] = [];
  for (const platform of platforms) {
    const image = { id: IMAGE_IDS[platform], layers: [], runtimeConfigSha256: '0'.repeat(64) };
    const file = await publishFile(checkout, platform, { image });
    published.push(file);
    await done(here.inCheckout('fetch', '--platform', platform, '--from', `file:${file.path}`, '--no-bind'));
  }
  const out = join(await tempDir(), 'agent.oci.tar');
  return { checkout, here, published, out };
}

export async function done(result: Promise<CliResult>): Promise<CliResult> {
  const { exitCode, stdout, stderr } = await result;
  expect(exitCode, stderr).toBe(0);
  return { exitCode, stdout, stderr };
}

/** As `exporter`, with an export of a sidecar that the double of Sigstore has signed. */
export async function signedExporter(...others: PackRecord['platform'][]) {
  const trustedRoot = await writeRoot(await tempDir(), DOUBLE);
  const world = await exporter(...others);
  const { checkout, here, out } = world;
  const signed = await publishFile(checkout, 'linux/amd64');
  const bundle = await sign(signed.record);
  await fs.writeFile(`${signed.path}.sigstore.json`, bundle);
  const args = [...ON_AMD64, '--provenance', 'required'];
  const from = ['--from', `file:${signed.path}`, '--trusted-root', trustedRoot];
  await done(here.inCheckout('fetch', ...args, ...from));
  const exported = JSON.parse((await done(here.inCheckout('export', '--out', out, '--json'))).stdout);
  return { ...world, trustedRoot, args, signed, bundle, exported, there: await machine(checkout) };
}

async function sign(record: PackRecord): Promise<Buffer> {
  const repository = 'https://github.com/acme/tools';
  const signer = `${repository}/.github/workflows/pack.yml@refs/heads/main`;
  const claims = workflowClaims({
    9: signer,
    12: repository,
    13: record.source?.commit ?? '',
    18: signer,
    21: `${repository}/actions/runs/1/attempts/1`,
  });
  return bytesOf(DOUBLE.sign(statement({}, record), { claims }));
}
