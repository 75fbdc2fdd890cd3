import { execFile } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { layoutSource } from '../../src/fetch/oci-layout.ts';

import { parseInputsKey } from '../../src/identity/inputs-key.ts';
import { sharedTags } from '../../src/identity/oci-names.ts';
import { type PackRecord, packRecordSchema } from '../../src/identity/pack-record.ts';
import { publishedName } from '../../src/identity/published-name.ts';
import { publishToRegistry } from '../../src/publish/oci-registry.ts';
import { HttpClient } from '../../src/remote/http.ts';
import type { PackedSidecar } from '../../src/sidecar/file.ts';
import { isOnPath, LACKS_REGISTRY, startDockerRegistry } from '../helpers/docker-registry.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { done, signedExporter } from './export-bed.ts';

const run = promisify(execFile);

/** Real clients, and a real registry, which needs no Docker engine. */
const LACKS_ORAS = !isOnPath('oras');
if (LACKS_ORAS) {
  console.error('oras not installed: tests of layouts with it are skipped.');
}
const skopeoTest = test.skipIf(LACKS_REGISTRY);
const orasTest = test.skipIf(LACKS_ORAS);
const bothTest = test.skipIf(LACKS_REGISTRY || LACKS_ORAS);

const REPOSITORY = 'acme/tools/smolmachine';
const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const ROOTS_TYPE = 'application/vnd.dev.claude-bottle.trusted-roots.v1+jsonl';
const { signal } = new AbortController();

orasTest('oras reads sidecars, provenance and trust roots out of an export', async () => {
  const { out, exported, signed, published, bundle } = await signedExporter('linux/arm64');
  const [tag] = exported.tags;
  const dir = await tempDir();
  const pull = (reference: string, ...args: string[]) =>
    run('oras', ['pull', '--oci-layout', `${out}${reference}`, '--output', dir, ...args]);
  const read = (name: string) => fs.readFile(join(dir, name));

  for (const { path, record } of [signed, ...published]) {
    await pull(`:${tag}`, '--platform', record.platform);
    const name = publishedName(record.platform, keyOf(record));
    expect(await read(name)).toEqual(await fs.readFile(path));
  }
  const discovered = await run('oras', [
    ...['discover', '--oci-layout', `${out}:${tag}`, '--platform', 'linux/amd64', '--format', 'json'],
  ]);
  const [referrer, ...more] = JSON.parse(discovered.stdout).referrers;
  expect(more).toEqual([]);
  expect(referrer).toMatchObject({ artifactType: BUNDLE_TYPE });
  const { stdout } = await run('oras', ['manifest', 'fetch', '--oci-layout', `${out}@${referrer.digest}`]);
  const blob = JSON.parse(stdout).layers[0].digest;
  await run('oras', [
    ...['blob', 'fetch', '--oci-layout', `${out}@${blob}`, '--output', join(dir, 'bundle')],
  ]);
  expect(await read('bundle')).toEqual(bundle);

  await pull(':trusted-roots');
  expect((await fs.readFile(join(dir, 'trusted-root.jsonl'), 'utf8')).trimEnd().split('\n')).toHaveLength(2);
  const index = await run('oras', ['discover', '--oci-layout', `${out}:${tag}`, '--format', 'json']);
  expect(JSON.parse(index.stdout).referrers).toMatchObject([{ artifactType: ROOTS_TYPE }]);
});

skopeoTest('skopeo copies an export to a registry, where fetch finds it by its key', async () => {
  const registry = await startDockerRegistry();
  const { out, exported, signed, there } = await signedExporter('linux/arm64');
  for (const tag of exported.tags) {
    await run('skopeo', [
      ...['copy', '--all', '--preserve-digests', '--dest-tls-verify=false'],
      ...[`oci-archive:${out}:${tag}`, `docker://${registry.host}/${REPOSITORY}:${tag}`],
    ]);
  }
  const from = ['--from', `oci:${registry.host}/${REPOSITORY}`];
  const { stdout } = await done(
    there.inCheckout('fetch', ...from, '--platform', 'linux/amd64', '--no-bind', '--print-path'),
  );
  expect(await fs.readFile(stdout.trim())).toEqual(await fs.readFile(signed.path));
});

bothTest('oras copies an export to a registry with its provenance', async () => {
  const registry = await startDockerRegistry();
  const { out, exported, there, args, trustedRoot } = await signedExporter();
  const [tag] = exported.tags;
  await run('oras', [
    ...['cp', '--recursive', '--from-oci-layout', `${out}:${tag}`],
    ...['--to-plain-http', `${registry.host}/${REPOSITORY}:${tag}`],
  ]);
  const from = ['--from', `oci:${registry.host}/${REPOSITORY}`, '--trusted-root', trustedRoot];
  await done(there.inCheckout('fetch', ...args, ...from));
});

skopeoTest('an export has the manifests that the action pushes', async () => {
  const { exported, signed, bundle } = await signedExporter();
  const registry = await startDockerRegistry();
  const [sidecar] = (await publish(registry.host, signed, bundle)).sidecars;
  expect(exported.sidecars[0].manifestDigest).toBe(sidecar?.digest);
});

bothTest('an import takes what skopeo and oras write of what the action pushes', async () => {
  const { checkout, signed, bundle, there, args, trustedRoot } = await signedExporter();
  const registry = await startDockerRegistry();
  const { sidecars } = await publish(registry.host, signed, bundle);
  const reference = `${registry.host}/${REPOSITORY}:${sidecars[0]?.tags[0]}`;
  const dir = await tempDir();
  const skopeo = ['copy', '--src-tls-verify=false'];
  const written: Array<[name: string, bundles: number]> = [
    ['all.tar', 0],
    ['one.tar', 0],
    ['backup.tar', 1],
    ['whole.tar', 1],
    ['copied.tar', 1],
  ];
  await run('skopeo', [...skopeo, '--all', `docker://${reference}`, `oci-archive:${dir}/all.tar`]);
  await run('skopeo', [
    ...[...skopeo, '--override-arch', 'amd64', `docker://${reference}`, `oci-archive:${dir}/one.tar:tag`],
  ]);
  const backup = ['backup', '--plain-http', '--include-referrers', '--output'];
  await run('oras', [...backup, join(dir, 'backup.tar'), reference]);
  await run('oras', [...backup, join(dir, 'whole.tar'), `${registry.host}/${REPOSITORY}`]);
  const layout = join(dir, 'layout');
  await run('oras', ['cp', '-r', '--from-plain-http', reference, '--to-oci-layout', `${layout}:tag`]);
  await run('tar', ['-C', layout, '-cf', join(dir, 'copied.tar'), '.']);

  for (const [name, bundles] of written) {
    const found = await layoutSource(join(dir, name), { signal }).find({
      key: keyOf(signed.record),
      platform: 'linux/amd64',
      repository: 'acme/tools',
      history: async () => [],
      tags: async () => [],
    });
    expect(found, name).toMatchObject({ record: signed.record });
    expect(await ('bundles' in found ? found.bundles() : []), name).toHaveLength(bundles);
  }
  const result = await done(
    there.inCheckout('import', join(dir, 'backup.tar'), ...args, '--trusted-root', trustedRoot, '--json'),
  );
  expect(JSON.parse(result.stdout)).toMatchObject({
    status: 'fetched',
    provenance: { commit: await checkout.git('rev-parse', 'HEAD') },
  });
});

function keyOf({ inputs }: PackRecord) {
  return parseInputsKey(inputs?.key ?? '');
}

/** As the action does: the file has its published name, and the record is one that was read, with its keys in order. */
async function publish(host: string, { path, record }: PackedSidecar, bundle: Buffer) {
  const named = join(await tempDir(), publishedName(record.platform, keyOf(record)));
  await fs.copyFile(path, named);
  const http = new HttpClient({ signal });
  onTestFinished(() => http.close());
  const github = {
    serverUrl: 'https://github.test',
    apiUrl: 'https://api.github.test',
    registryHost: host,
    credential: undefined,
    token: undefined,
  };
  const publication = {
    name: { registry: host, repository: 'acme/tools/smolmachine' },
    sidecars: [{ path: named, record: packRecordSchema.parse(record), bundle }],
    tags: record.source === undefined ? [] : sharedTags(record.source),
  };
  return await publishToRegistry(publication, { http, github, signal, onProgress: () => {} });
}
