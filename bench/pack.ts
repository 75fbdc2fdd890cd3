import { execFile } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { prepareTestBed } from '../scripts/test-bed.ts';
import { readSidecar } from '../src/sidecar/verify.ts';
import { setup as build } from '../test/helpers/build.ts';
import { DOUBLE_DIR } from '../test/helpers/cli.ts';
import { ensureDebianImage } from '../test/helpers/debian-image.ts';
import { run } from '../test/helpers/small-image.ts';
import { measure, median, round } from './measure.ts';

/**
 * From an image on the engine to a verified sidecar in the store, each in a process of its own, interleaved:
 *  - direct: `claude-bottle pack --packer direct`;
 *  - smolvm: the same through the embedded hop, with the double of smolvm, which starts no machine;
 *  - limit: `docker export | zstd -3 -T0`, which nothing that compresses a container can beat by much.
 * Ratios are medians of the rounds' own ratios, so that other load of the machine falls on both sides.
 */
const ROUNDS = 3;
const CLI = join(import.meta.dirname, '../dist/cli.mjs');
/** Prints the most memory that the process had, in MB (proc(5)). */
const PRINT_PEAK = `data:text/javascript,${encodeURIComponent(`
  import { readFileSync } from 'node:fs';
  process.on('exit', () => {
    const [, peakKiB] = /^VmHWM:\\s+(\\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    console.error('peak ' + (peakKiB * 1024) / 1e6);
  });
`)}`;

async function pack(image: string, store: string, args: readonly string[], env = process.env) {
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [
      ...['--import', PRINT_PEAK, CLI, 'pack', '--quiet', '--no-build', '--image', image, '--store', store],
      ...args,
    ],
    { env, maxBuffer: 64e6 },
  );
  return { path: stdout.trim(), rssMb: Number(/^peak (.*)$/m.exec(stderr)?.[1]) };
}

async function exportAndCompress(image: string, path: string): Promise<void> {
  const container = (await run('docker', ['create', image, 'never-run'])).stdout.trim();
  try {
    await run('sh', ['-c', `docker export ${container} | zstd -q -3 -T0 > ${path}`]);
  } finally {
    await run('docker', ['rm', container]);
  }
}

interface Round {
  readonly direct: number;
  readonly vsSmolvm: number;
  readonly vsLimit: number;
  readonly cpuVsLimit: number;
  readonly rssMb: number;
  readonly sizeRatio: number;
}

build();
const bed = await prepareTestBed();
const dir = await fs.mkdtemp('/var/tmp/claude-bottle-bench-');
try {
  if (!bed.docker) {
    throw new Error(bed.reason);
  }
  Object.assign(process.env, bed.env);
  const image = await ensureDebianImage();
  const withDouble = { ...process.env, PATH: `${DOUBLE_DIR}:${process.env.PATH}` };
  const rounds: Round[] = [];
  for (let count = 1; count <= ROUNDS; count += 1) {
    const [store, limitPath] = [join(dir, `store-${count}`), join(dir, 'limit.tar.zst')];
    let sidecar = { path: '', rssMb: 0 };
    const direct = await measure(async () => {
      sidecar = await pack(image, store, ['--packer', 'direct']);
    });
    const { footer } = await readSidecar(sidecar.path);
    const limit = await measure(() => exportAndCompress(image, limitPath));
    const { size: limitBytes } = await fs.stat(limitPath);
    const smolvm = await measure(async () => {
      await pack(image, `${store}-smolvm`, ['--no-kvm-check'], withDouble);
    });
    rounds.push({
      direct: direct.wallSeconds,
      vsSmolvm: smolvm.wallSeconds / direct.wallSeconds,
      vsLimit: direct.wallSeconds / limit.wallSeconds,
      cpuVsLimit: direct.cpuSeconds / limit.cpuSeconds,
      rssMb: sidecar.rssMb,
      sizeRatio: footer.assetsBytes / limitBytes,
    });
    console.error(`round ${count}: ${JSON.stringify(rounds.at(-1))}`);
    await fs.rm(store, { recursive: true });
    await fs.rm(`${store}-smolvm`, { recursive: true });
  }
  const of = (key: keyof Round) => rounds.map((each) => each[key]);
  console.log(
    JSON.stringify({
      bench: 'pack',
      n: ROUNDS,
      directSeconds: round(median(of('direct'))),
      vsSmolvm: round(median(of('vsSmolvm'))),
      vsLimit: round(median(of('vsLimit'))),
      rssMb: round(Math.max(...of('rssMb'))),
      sizeRatio: Number(median(of('sizeRatio')).toFixed(4)),
    }),
  );
} finally {
  await fs.rm(dir, { recursive: true, force: true });
  await bed.stop();
}
