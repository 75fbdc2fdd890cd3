import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { build } from 'rolldown';
import { prepareTestBed } from '../scripts/test-bed.ts';
import type { PackRecord } from '../src/identity/pack-record.ts';
import { verifySidecar } from '../src/sidecar/verify.ts';
import { joinSidecar } from '../test/doubles/smolvm/sidecar-writer.ts';
import { sampleParts } from '../test/helpers/sample-sidecar.ts';
import { median, round } from './measure.ts';

/**
 * A sidecar of 1 GB from the disk into docker-registry 2.8 on loopback, two ways:
 *  - oras: `oras push` of the file alone, which reads it twice, for its digest and to send it;
 *  - ours: `publishToRegistry`, with config, record, tag, index and the question whether it can be read by everyone. The
 *    digest is known, from the verification after packing; it is checked again while the file is sent.
 * Each in a process of its own and into a repository of its own. Runs are interleaved. No TLS and no network.
 */
const ROUNDS = 3;
const SIZE_BYTES = 1e9;
const CHUNK_BYTES = 1 << 20;
const SIDECAR_TYPE = 'application/vnd.smolmachines.smolmachine.v1';

const bed = await prepareTestBed();
Object.assign(process.env, bed.env);
const dir = await fs.mkdtemp('/var/tmp/claude-bottle-bench-');
const registry = await startRegistry();
try {
  const client = await bundleClient();
  const path = join(dir, 'bench.smolmachine');
  const recordPath = await writeSidecar(path);
  const orasSeconds: number[] = [];
  const ourSeconds: number[] = [];
  const rssMb: number[] = [];
  for (let count = 1; count <= ROUNDS; count += 1) {
    const reference = `${registry.host}/oras-${count}/bench:latest`;
    const options = ['--plain-http', '--no-tty', '--artifact-type', SIDECAR_TYPE];
    const oras = await run('oras', ['push', ...options, reference, `${basename(path)}:${SIDECAR_TYPE}`]);
    orasSeconds.push(oras.seconds);
    const args = [client, registry.host, `ours-${count}/bench`, path, recordPath];
    const ours = await run(process.execPath, args);
    ourSeconds.push(ours.seconds);
    rssMb.push(Number(ours.output));
    const times = `oras ${oras.seconds.toFixed(2)} s, ours ${ours.seconds.toFixed(2)} s`;
    console.error(`round ${count}: ${times}, ${ours.output.trim()} MB`);
  }
  console.log(
    JSON.stringify({
      bench: 'push',
      n: ROUNDS,
      sizeBytes: (await fs.stat(path)).size,
      orasSeconds: round(median(orasSeconds)),
      ourSeconds: round(median(ourSeconds)),
      ratio: round(median(orasSeconds) / median(ourSeconds)),
      rssMb: round(Math.max(...rssMb)),
    }),
  );
} finally {
  registry.process.kill();
  await once(registry.process, 'exit');
  await fs.rm(dir, { recursive: true, force: true });
  await bed.stop();
}

async function run(command: string, args: readonly string[]): Promise<{ seconds: number; output: string }> {
  // What one run has left for the disk to do must not slow down the next one.
  execFileSync('sync');
  const before = performance.now();
  const child = spawn(command, args, { cwd: dir, stdio: ['ignore', 'pipe', 'inherit'] });
  const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  const seconds = (performance.now() - before) / 1000;
  if (exitCode !== 0) {
    throw new Error(`${command} ended with exit code ${exitCode}`);
  }
  return { seconds, output };
}

/**
 * A valid sidecar of random bytes, and what publishing reads of a pack record.
 * @returns the path of the record
 */
async function writeSidecar(path: string): Promise<string> {
  const assetsPath = join(dir, 'assets');
  const assets = await fs.open(assetsPath, 'w');
  const { manifest } = await sampleParts(await fs.mkdtemp(join(dir, 'parts-')));
  const zstdMagic = Buffer.from('28b52ffd', 'hex');
  await assets.write(zstdMagic);
  for (let written = zstdMagic.length; written < SIZE_BYTES; written += CHUNK_BYTES) {
    await assets.write(randomBytes(Math.min(CHUNK_BYTES, SIZE_BYTES - written)));
  }
  await assets.close();
  await joinSidecar(path, { assetsPath, manifest });
  await fs.rm(assetsPath);
  const { sha256, sizeBytes, crc32 } = await verifySidecar(path);
  const record: Pick<PackRecord, 'platform' | 'sidecar'> & { inputs: { key: string } } = {
    platform: 'linux/amd64',
    sidecar: { sha256, sizeBytes, crc32 },
    inputs: { key: 'a'.repeat(64) },
  };
  await fs.writeFile(`${path}.json`, JSON.stringify(record));
  return `${path}.json`;
}

/** As it is published: not in many files, and without types. */
async function bundleClient(): Promise<string> {
  const input = join(import.meta.dirname, 'push-client.ts');
  await build({ input, platform: 'node', output: { dir: join(dir, 'client') }, logLevel: 'warn' });
  return join(dir, 'client/push-client.js');
}

async function startRegistry(): Promise<{ process: ChildProcess; host: string }> {
  const config = {
    version: '0.1',
    storage: { filesystem: { rootdirectory: join(dir, 'registry') } },
    http: { addr: '127.0.0.1:0' },
  };
  // JSON is YAML too.
  await fs.writeFile(join(dir, 'config.yml'), JSON.stringify(config));
  const child = spawn('docker-registry', ['serve', join(dir, 'config.yml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const log = createInterface(child.stderr);
  const host = await new Promise<string>((resolve, reject) => {
    log.on('line', (line) => {
      const [, address] = /listening on (127\.0\.0\.1:\d+)/.exec(line) ?? [];
      if (address !== undefined) {
        resolve(address);
      }
    });
    log.once('close', () => reject(new Error('docker-registry does not start')));
  });
  return { process: child, host };
}
