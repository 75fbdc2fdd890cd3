import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { ociSource } from '../../src/fetch/oci-registry.ts';
import { parseInputsKey } from '../../src/identity/inputs-key.ts';
import { publishToRegistry } from '../../src/publish/oci-registry.ts';
import { HttpClient } from '../../src/remote/http.ts';
import { OciRepository } from '../../src/remote/oci.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { LACKS_REGISTRY, startDockerRegistry } from '../helpers/docker-registry.ts';
import { sampleSidecar } from '../helpers/oci-publish.ts';
import { writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { LACKS_REAL_SMOLVM, real, runSmolvm } from './smolvm.ts';

const REPOSITORY = 'owner/repo/smolmachine';
const SIDECAR_TYPE = 'application/vnd.smolmachines.smolmachine.v1';
const realTest = test.skipIf(LACKS_REAL_SMOLVM || LACKS_REGISTRY);

beforeEach(async () => {
  vi.stubEnv('DOCKER_CONFIG', await tempDir());
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
});

function openTools(host: string) {
  const { signal } = new AbortController();
  const http = new HttpClient({ signal, firstRetryMs: 1 });
  onTestFinished(() => http.close());
  const github = {
    serverUrl: 'https://github.test',
    apiUrl: 'https://api.github.test',
    registryHost: host,
    credential: undefined,
    token: undefined,
  };
  return { http, github, signal, onProgress: () => {}, onWarning: () => {} };
}

realTest('what this project publishes, smolvm inspects and pulls byte for byte', async () => {
  const registry = await startDockerRegistry();
  const sidecar = await sampleSidecar('linux/amd64', parseInputsKey('ab'.repeat(32)));
  const name = { registry: registry.host, repository: REPOSITORY };
  await publishToRegistry({ name, sidecars: [sidecar], tags: ['v1'] }, openTools(registry.host));
  const reference = `localhost:${registry.port}/${REPOSITORY}:v1`;

  const inspected = await runSmolvm(await real('1.32.2'), ['pack', 'inspect', '--json', reference]);
  expect(inspected.code, inspected.stderr).toBe(0);
  const sha256 = createHash('sha256')
    .update(await fs.readFile(sidecar.path))
    .digest('hex');
  expect(JSON.parse(inspected.stdout)).toMatchObject({ layer_digest: `sha256:${sha256}` });

  const output = join(await tempDir(), 'pulled.smolmachine');
  const pulled = await runSmolvm(await real('1.32.2'), ['pack', 'pull', reference, '--output', output]);
  expect(pulled.code, pulled.stderr).toBe(0);
  expect((await fs.readFile(output)).equals(await fs.readFile(sidecar.path))).toBe(true);
});

realTest('what smolvm pushes, this project reads byte for byte', async () => {
  const registry = await startDockerRegistry();
  const path = join(await tempDir(), 'agent.smolmachine');
  await writeSample(path);
  const reference = `localhost:${registry.port}/${REPOSITORY}:v1`;
  const pushed = await runSmolvm(await real('1.32.2'), ['pack', 'push', '--file', path, reference]);
  expect(pushed.code, pushed.stderr).toBe(0);

  const repository = new OciRepository(
    { registry: registry.host, repository: REPOSITORY },
    openTools(registry.host),
  );
  const index = (await repository.getManifest('v1')).content;
  const [entry] = index.manifests ?? [];
  expect(entry).toMatchObject({ platform: { os: 'linux', architecture: 'amd64' } });
  const image = (await repository.getManifest(entry?.digest ?? '')).content;
  const [layer] = image.layers ?? [];
  expect(layer?.mediaType).toBe(SIDECAR_TYPE);
  const { body } = await repository.openBlob(layer?.digest as `sha256:${string}`);
  expect((await buffer(body)).equals(await fs.readFile(path))).toBe(true);
  expect((await repository.getManifest('v1-linux-amd64')).digest).toBe(entry?.digest);

  const source = ociSource(`${registry.host}/${REPOSITORY}:v1`, openTools(registry.host));
  const offer = await source.find({
    key: parseInputsKey('ab'.repeat(32)),
    platform: 'linux/amd64',
    repository: 'owner/repo',
    serverUrl: 'https://github.test',
    history: async () => [],
    tags: async () => [],
  });
  const { sha256, sizeBytes, crc32, manifest } = await verifySidecar(path);
  expect(offer).toMatchObject({
    hasRecord: false,
    record: {
      sidecar: { sha256, sizeBytes, crc32 },
      image: { id: manifest.digest },
      smolvm: { version: manifest.smolvm_version },
    },
  });
});
