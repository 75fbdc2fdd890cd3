import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { readBuildInputs } from '../src/context/build-inputs.ts';
import { type Digest, id16 } from '../src/identity/image-id.ts';
import { PACK_RECORD_VERSION, type PackRecord, runtimeConfigSha256 } from '../src/identity/pack-record.ts';
import { parseGuestPlatform } from '../src/identity/platform.ts';
import type { FlatImage } from '../src/pack/flatten.ts';
import { withEmbeddedHop } from '../src/pack/hop.ts';
import { packCreate } from '../src/pack/pack-create.ts';
import { findSmolvm } from '../src/pack/smolvm.ts';
import { formatRecord } from '../src/sidecar/file.ts';
import { verifySidecar } from '../src/sidecar/verify.ts';

const ROOT = join(import.meta.dirname, '..');
const CLI = join(ROOT, 'dist/cli.mjs');
const IMAGE = 'claude-bottle-demo:latest';
const CONTEXT = join(ROOT, 'scripts/demo-agent');
const BUILD = ['--context', CONTEXT];
const CHECK = join(ROOT, 'test/doubles/claude-bottle/ensure_smolmachine.py');

/** Shows the whole loop with what this machine has, and says of each part whether it was the real one. */
async function demo(dir: string): Promise<void> {
  const engine = answerOf('docker', ['version', '--format', '{{.Server.Version}}']);
  const isReal = answerOf('smolvm', ['--version']) !== undefined;
  if (!isReal) {
    process.env.PATH = [join(ROOT, 'test/doubles/smolvm'), process.env.PATH].join(delimiter);
  }
  const dockerPart = engine === undefined ? 'no Docker' : `real Docker ${engine}`;
  const smolvmPart = isReal ? 'real smolvm' : 'DOUBLE of smolvm';
  const smolvm = isReal
    ? `real smolvm (${answerOf('smolvm', ['--version'])})`
    : 'a DOUBLE of smolvm: it pulls and writes a sidecar as smolvm does, but starts no VM';
  console.log(
    `Docker:  ${engine === undefined ? 'none runs, so a bundled OCI layout is packed' : `real, engine ${engine}`}`,
  );
  console.log(`smolvm:  ${smolvm}\n`);

  if (engine !== undefined && !process.env.BUILDX_NO_DEFAULT_ATTESTATIONS) {
    console.log(
      'Setting BUILDX_NO_DEFAULT_ATTESTATIONS=1, so that a cached build keeps its image ID everywhere.',
    );
    process.env.BUILDX_NO_DEFAULT_ATTESTATIONS = '1';
  }

  const made = `a file that the ${smolvmPart} wrote`;
  const store = join(dir, 'store');
  const kvm = isReal ? [] : ['--no-kvm-check'];
  if (engine === undefined) {
    await packLayout(join(dir, 'scratch'), store, smolvmPart);
  } else {
    const pack = ['pack', ...BUILD, '--image', IMAGE, '--store', store, ...kvm];
    step(
      `Build the image, flatten it, serve it to smolvm, verify and install [${dockerPart}, ${smolvmPart}]`,
      pack,
    );
    step(`Again: a verified sidecar is there, so nothing is packed [${dockerPart}, smolvm not used]`, pack);
  }
  step(`Verify every sidecar of the store, down to each entry [${made}]`, [
    'verify',
    '--all',
    '--deep',
    '--store',
    store,
  ]);
  const [sidecar = ''] = (await fs.readdir(store)).filter((name) => name.endsWith('.smolmachine'));
  step(`Look into the sidecar [${made}]`, ['inspect', join(store, sidecar)]);

  const published = await publish(dir, join(store, sidecar), engine !== undefined);
  const home = join(dir, 'home');
  await fs.mkdir(home);
  const fetch = ['fetch', ...BUILD, '--from', `file:${published}`];
  process.env.HOME = home;
  if (engine === undefined) {
    step(`On a developer's machine: fetch what was published [${made}]`, [...fetch, '--no-bind']);
    step('Where is it? [nothing is asked]', ['path', ...BUILD]);
  } else {
    // CI has another engine: this one forgets the image, and gives the next build of it another ID.
    spawnSync('docker', ['image', 'rm', '--force', IMAGE], { stdio: 'ignore' });
    check(home, 1);
    step(`On a developer's machine: fetch what was published, and bind it [${dockerPart}, ${made}]`, [
      ...[...fetch, '--image', IMAGE],
    ]);
    check(home, 0);
  }
  step('What the store has', ['ls']);

  const target = join(store, sidecar);
  const bytes = await fs.readFile(target);
  await fs.rm(target);
  await fs.writeFile(target, bytes.subarray(0, bytes.length / 2));
  step(
    'Now with half of a file missing, as a killed smolvm leaves it',
    ['verify', '--all', '--store', store],
    65,
  );
  console.log(`\nDone. Packed with ${smolvm}.`);
}

/** In place of a registry or a release: the sidecar and its record as two files. */
async function publish(dir: string, stored: string, hasRecord: boolean): Promise<string> {
  const path = join(dir, 'published.smolmachine');
  await fs.copyFile(stored, path);
  const { sha256, sizeBytes, crc32, manifest } = await verifySidecar(path);
  if (hasRecord) {
    await fs.copyFile(join(dirname(stored), '.pack/records', `${sha256}.json`), `${path}.json`);
    return path;
  }
  const flat = await readLayout(join(ROOT, 'scripts/demo-layout'));
  const platform = parseGuestPlatform(manifest.platform);
  const { record: inputs } = await readBuildInputs({ context: CONTEXT, buildArgs: [], platform });
  const record: PackRecord = {
    version: PACK_RECORD_VERSION,
    platform,
    image: {
      id: flat.configDigest,
      layers: [flat.layer.digest],
      runtimeConfigSha256: runtimeConfigSha256(JSON.parse(flat.config.toString()).config),
    },
    flattened: {
      configDigest: flat.configDigest,
      layerDigest: flat.layer.digest,
      layerSizeBytes: flat.layer.sizeBytes,
    },
    sidecar: { sha256, sizeBytes, crc32 },
    smolvm: { version: manifest.smolvm_version ?? '' },
    hop: 'embedded',
    packedAt: new Date().toISOString(),
    inputs,
  };
  await fs.writeFile(`${path}.json`, formatRecord(record));
  return path;
}

/** What claude-bottle would do now, by its double. */
function check(home: string, expectedExitCode: number): void {
  const verdict = expectedExitCode === 0 ? 'finds the sidecar' : 'finds nothing, and would pack for minutes';
  console.log(`\n── claude-bottle starts and ${verdict} [real Docker, DOUBLE of claude-bottle]`);
  const { status, stdout, error } = spawnSync('python3', [CHECK, CONTEXT], {
    encoding: 'utf8',
    env: { ...process.env, HOME: home, CLAUDE_BOTTLE_IMAGE: IMAGE },
  });
  if (error !== undefined) {
    console.log(`not shown: ${error.message}`);
    return;
  }
  console.log(stdout.trim());
  if (status !== expectedExitCode) {
    throw new Error(`exit code ${status}, expected ${expectedExitCode}`);
  }
}

/** What `pack` does after the build, on an image that is there as an OCI layout. */
async function packLayout(scratch: string, store: string, smolvmPart: string): Promise<void> {
  console.log(
    `── Serve the bundled image on loopback, let smolvm pack it, verify [no Docker, ${smolvmPart}]`,
  );
  const flat = await readLayout(join(ROOT, 'scripts/demo-layout'));
  await fs.mkdir(scratch);
  await fs.mkdir(store, { mode: 0o700 });
  const { path } = await withEmbeddedHop(flat, async (reference) =>
    packCreate(await findSmolvm(), {
      reference,
      output: join(scratch, 'packed'),
      platform: 'linux/amd64',
      layer: { sizeBytes: flat.layer.sizeBytes, inodes: 1 },
      scratch,
      onLine: (line) => console.log(`   ${line}`),
    }),
  );
  await verifySidecar(path, { configDigest: flat.configDigest, layerDigest: flat.layer.digest });
  await fs.rename(path, join(store, `${id16(flat.configDigest)}.smolmachine.smolmachine`));
}

async function readLayout(dir: string): Promise<FlatImage> {
  const blob = (digest: string) => join(dir, 'blobs', digest.replace(':', '/'));
  const index = JSON.parse(await fs.readFile(join(dir, 'index.json'), 'utf8'));
  const manifestDigest: Digest = index.manifests[0].digest;
  const manifest = await fs.readFile(blob(manifestDigest));
  const { config, layers } = JSON.parse(manifest.toString());
  const [layer] = layers;
  return {
    manifest,
    manifestDigest,
    config: await fs.readFile(blob(config.digest)),
    configDigest: config.digest,
    layer: { path: blob(layer.digest), digest: layer.digest, sizeBytes: layer.size },
  };
}

function step(title: string, args: string[], expectedExitCode = 0): void {
  console.log(`\n── ${title}`);
  console.log(`   $ claude-bottle ${args.join(' ')}`);
  const { status } = spawnSync(process.execPath, [CLI, ...args], { stdio: 'inherit' });
  if (status !== expectedExitCode) {
    throw new Error(`exit code ${status}, expected ${expectedExitCode}`);
  }
}

function answerOf(command: string, args: string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

const dir = await fs.mkdtemp(join(tmpdir(), 'claude-bottle-demo-'));
try {
  await demo(dir);
} finally {
  spawnSync('docker', ['image', 'rm', IMAGE], { stdio: 'ignore' });
  await fs.rm(dir, { recursive: true, force: true });
}
