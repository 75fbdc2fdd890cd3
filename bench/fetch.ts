import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { readBuildInputs } from '../src/context/build-inputs.ts';
import { PACK_RECORD_VERSION, type PackRecord } from '../src/identity/pack-record.ts';
import { formatRecord } from '../src/sidecar/file.ts';
import { verifySidecar } from '../src/sidecar/verify.ts';
import { joinSidecar } from '../test/doubles/smolvm/sidecar-writer.ts';
import { SAMPLE_CONFIG_DIGEST, sampleParts } from '../test/helpers/sample-sidecar.ts';
import { median, round } from './measure.ts';
import { type Nginx, startNginx } from './nginx.ts';

/**
 * From a server on loopback (nginx) to a file, each in processes of its own, interleaved:
 *  - single: as fast as it goes. `curl && sha256sum` against `claude-bottle fetch --no-bind`: inputs key, pack record,
 *    download, full verification, fsync, installation;
 *  - throttled: each connection gets 20 MB/s. `curl` alone against the same as above.
 * The ratios are curl's seconds by ours. curl writes to the page cache only; ours waits for the disk.
 */
const SINGLE = { name: 'single.smolmachine', sizeBytes: 1_000_000_000, rounds: 5 };
const THROTTLED = { name: 'throttled.smolmachine', sizeBytes: 300_000_000, rounds: 3 };
const CHUNK_BYTES = 1 << 20;
const CLI = join(import.meta.dirname, '../dist/cli.mjs');
/**
 * Prints the most memory that a process had, in MB, when it ends (proc(5)). The maximum of getrusage is that of the
 * process that started this one, when that had more.
 */
const PRINT_PEAK = `data:text/javascript,${encodeURIComponent(`
  import { readFileSync } from 'node:fs';
  process.on('exit', () => {
    const [, peakKiB] = /^VmHWM:\\s+(\\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    console.log((peakKiB * 1024) / 1e6);
  });
`)}`;

const dir = await fs.mkdtemp('/var/tmp/claude-bottle-bench-');
let nginx: Nginx | undefined;
try {
  // nginx serves as another user.
  await fs.chmod(dir, 0o755);
  const context = await writeContext();
  nginx = await startNginx(dir);
  const single = await compare(context, {
    ...SINGLE,
    url: `${nginx.url}/${SINGLE.name}`,
    curl: (url, path) => `curl -sS -o ${path} ${url} && sha256sum ${path}`,
  });
  const throttled = await compare(context, {
    ...THROTTLED,
    url: `${nginx.url}/throttled/${THROTTLED.name}`,
    curl: (url, path) => `curl -sS -o ${path} ${url}`,
  });
  console.log(
    JSON.stringify({
      bench: 'fetch',
      n: SINGLE.rounds,
      bytes: SINGLE.sizeBytes,
      curlSeconds: single.curlSeconds,
      ourSeconds: single.ourSeconds,
      single: single.ratio,
      throttledN: THROTTLED.rounds,
      throttledBytes: THROTTLED.sizeBytes,
      throttledCurlSeconds: throttled.curlSeconds,
      throttledOurSeconds: throttled.ourSeconds,
      throttled: throttled.ratio,
      rssMb: round(Math.max(single.rssMb, throttled.rssMb)),
    }),
  );
} finally {
  await nginx?.stop();
  await fs.rm(dir, { recursive: true, force: true });
}

interface Way {
  readonly name: string;
  readonly sizeBytes: number;
  readonly rounds: number;
  readonly url: string;
  readonly curl: (url: string, path: string) => string;
}

async function compare(context: string, { name, sizeBytes, rounds, url, curl }: Way) {
  await publish(name, sizeBytes, context);
  const curls: Run[] = [];
  const ours: Run[] = [];
  for (let count = 1; count <= rounds; count += 1) {
    const theirs = await inCleanDir((path) => run('sh', ['-c', curl(url, path)]));
    const own = await inCleanDir(async (path) => {
      const fetch = ['fetch', '--quiet', '--no-bind', '--context', context, '--platform', 'linux/amd64'];
      const args = ['--import', PRINT_PEAK, CLI, ...fetch, '--store', path, '--from', url];
      const { seconds, output } = await run(process.execPath, args);
      return { seconds, output: output.trim().split('\n').at(-1) ?? '' };
    });
    curls.push(theirs);
    ours.push(own);
    const times = `curl ${theirs.seconds.toFixed(2)} s, ours ${own.seconds.toFixed(2)} s`;
    console.error(`${name}, round ${count}: ${times}, ${own.output} MB`);
  }
  const [curlSeconds, ourSeconds] = [curls, ours].map((runs) => median(runs.map(({ seconds }) => seconds)));
  return {
    curlSeconds: round(curlSeconds ?? 0),
    ourSeconds: round(ourSeconds ?? 0),
    ratio: round((curlSeconds ?? 0) / (ourSeconds ?? 0)),
    rssMb: Math.max(...ours.map(({ output }) => Number(output))),
  };
}

interface Run {
  readonly seconds: number;
  readonly output: string;
}

async function run(command: string, args: readonly string[]): Promise<Run> {
  const before = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  const seconds = (performance.now() - before) / 1000;
  if (exitCode !== 0) {
    throw new Error(`${command} ended with exit code ${exitCode}`);
  }
  return { seconds, output };
}

/** What one run has left for the disk to do must not slow down the next one. */
async function inCleanDir<T>(work: (path: string) => Promise<T>): Promise<T> {
  const runDir = await fs.mkdtemp(join(dir, 'run-'));
  try {
    return await work(join(runDir, 'f'));
  } finally {
    await fs.rm(runDir, { recursive: true });
    execFileSync('sync');
  }
}

/** A build context, for the inputs key of what is published. */
async function writeContext(): Promise<string> {
  const context = join(dir, 'context');
  await fs.mkdir(context);
  await fs.writeFile(join(context, 'Dockerfile'), 'FROM scratch\n');
  return context;
}

/** A valid sidecar of random bytes, with its pack record. */
async function publish(name: string, sizeBytes: number, context: string): Promise<void> {
  const path = join(dir, name);
  const assetsPath = join(dir, 'assets');
  const assets = await fs.open(assetsPath, 'w');
  const { manifest, layerDigest } = await sampleParts(await fs.mkdtemp(join(dir, 'parts-')));
  const zstdMagic = Buffer.from('28b52ffd', 'hex');
  await assets.write(zstdMagic);
  for (let written = zstdMagic.length; written < sizeBytes; written += CHUNK_BYTES) {
    await assets.write(randomBytes(Math.min(CHUNK_BYTES, sizeBytes - written)));
  }
  await assets.close();
  await joinSidecar(path, { assetsPath, manifest });
  await fs.rm(assetsPath);
  execFileSync('sync');
  const report = await verifySidecar(path);
  const { record: inputs } = await readBuildInputs({ context, buildArgs: [], platform: 'linux/amd64' });
  const record: PackRecord = {
    version: PACK_RECORD_VERSION,
    platform: 'linux/amd64',
    image: { id: `sha256:${'1'.repeat(64)}`, layers: [layerDigest], runtimeConfigSha256: '0'.repeat(64) },
    flattened: { configDigest: SAMPLE_CONFIG_DIGEST, layerDigest, layerSizeBytes: 1 },
    sidecar: { sha256: report.sha256, sizeBytes: report.sizeBytes, crc32: report.crc32 },
    smolvm: { version: '1.9.3' },
    hop: 'embedded',
    packedAt: new Date().toISOString(),
    inputs,
  };
  await fs.writeFile(`${path}.json`, formatRecord(record));
}
