import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { publishToRegistry } from '../../src/publish/oci-registry.ts';
import { HttpClient } from '../../src/remote/http.ts';
import { SigstoreDouble, workflowClaims } from '../doubles/sigstore/sigstore.ts';
import { type Checkout, publishFrames, sampleCheckout } from '../helpers/checkout.ts';
import { runCli } from '../helpers/cli.ts';
import {
  isOnPath,
  type RegistryServer,
  startCraneRegistry,
  startDockerRegistry,
  startReferrersRegistry,
} from '../helpers/docker-registry.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { bytesOf, statement, writeRoot } from '../trust/signed.ts';

interface Registry {
  readonly command: string;
  readonly start: () => Promise<RegistryServer>;
  /** Those that give no ranges of a blob send an update whole. */
  readonly givesRanges: boolean;
}

const REGISTRIES: Record<string, Registry> = {
  "Debian's docker-registry": {
    command: 'docker-registry',
    start: () => startDockerRegistry(),
    givesRanges: true,
  },
  'the registry of distribution 3': {
    command: 'registry',
    start: () => startDockerRegistry({ program: 'registry' }),
    givesRanges: true,
  },
  'the registry of go-containerregistry': { command: 'crane', start: startCraneRegistry, givesRanges: false },
  'the registry of cuelabs': { command: 'oci-registry', start: startReferrersRegistry, givesRanges: false },
};
const NAME = 'acme/tools/smolmachine';
const CONTENTS = Array.from({ length: 20 }, () => randomBytes(60_000));
const SIGSTORE = new SigstoreDouble();

test.for(Object.entries(REGISTRIES))(
  '%s takes a signed sidecar and an update of it, and gives them back',
  async ([, { command, start, givesRanges }], { skip }) => {
    skip(!isOnPath(command), `${command} is not installed`);
    const registry = await start();
    const checkout = await sampleCheckout();
    const fetch = await developer(checkout, registry);

    const first = await publish(checkout, registry, 1);
    expect(await fetch(first), 'the whole first one').toBeGreaterThan(first.bytes.length);
    const second = await publish(checkout, registry, 2);
    const sentBytes = await fetch(second);
    expect(sentBytes < second.bytes.length / 4, `${sentBytes} of ${second.bytes.length}`).toBe(givesRanges);
  },
);

/** Publishes a version that has all but one frame in common with the one before. */
async function publish(checkout: Checkout, { host }: RegistryServer, version: number) {
  await fs.writeFile(join(checkout.dir, 'agent.txt'), `version ${version}\n`);
  const commit = await checkout.commit();
  const { path, record, bytes } = await publishFrames(checkout, CONTENTS.with(version, randomBytes(60_000)));
  const uri = 'https://github.com/acme/tools';
  const workflow = `${uri}/.github/workflows/pack.yml@refs/heads/main`;
  const claims = workflowClaims({
    ...{ 9: workflow, 12: uri, 13: commit, 18: workflow },
    21: `${uri}/actions/runs/1/attempts/1`,
  });
  const bundle = bytesOf(SIGSTORE.sign(statement({}, record), { claims }));
  const { signal } = new AbortController();
  const http = new HttpClient({ signal });
  onTestFinished(() => http.close());
  const site = { serverUrl: 'https://github.test', apiUrl: 'https://api.github.test', registryHost: host };
  await publishToRegistry(
    { name: { registry: host, repository: NAME }, sidecars: [{ path, record, bundle }], tags: ['v1'] },
    {
      http,
      signal,
      github: { ...site, credential: undefined, token: undefined },
      onProgress: (event) => expect(event.type).not.toBe('warning'),
    },
  );
  return { bytes };
}

/** @returns a fetch on a machine of its own, which answers how many bytes the registry has sent for it */
async function developer(checkout: Checkout, registry: RegistryServer) {
  const home = await tempDir();
  const root = await writeRoot(home, SIGSTORE);
  const env = { HOME: home, DOCKER_CONFIG: home, GH_TOKEN: '', GITHUB_TOKEN: '' };
  return async ({ bytes }: { bytes: Buffer }): Promise<number> => {
    const before = registry.sentBytes();
    const result = await runCli(
      [
        ...['fetch', '--context', checkout.dir, '--from', `oci:${registry.host}/${NAME}:v1`],
        ...['--provenance', 'required', '--trusted-root', root, '--no-bind', '--json'],
      ],
      env,
    );
    expect(result.exitCode, result.stderr).toBe(0);
    const { path, provenance } = JSON.parse(result.stdout);
    expect(provenance).toMatchObject({ repository: 'https://github.com/acme/tools' });
    expect(bytes.equals(await fs.readFile(path))).toBe(true);
    return registry.sentBytes() - before;
  };
}
