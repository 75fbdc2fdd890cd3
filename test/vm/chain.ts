import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareNestedVm, runInNestedVm } from '../../scripts/nested-vm.ts';
import { type RealVersion, realSmolvm } from '../../scripts/real-smolvm.ts';
import { buildAgentImage } from '../helpers/agent-image.ts';
import { buildRegistryImage } from '../helpers/registry-image.ts';
import { run } from '../helpers/small-image.ts';
import { LISTING_SCRIPT } from './listing.ts';
import type { Job, Report, Stage } from './report.ts';

const ROOT = join(import.meta.dirname, '../..');
const TIMEOUT_MS = 25 * 60_000;

export interface Images {
  readonly image: string;
  readonly registryImage: string;
  /** Both, as `docker save` writes them. */
  readonly archive: string;
  /** What `docker run` shows of the first. */
  readonly listing: string;
}

/** Builds the images on this machine's engine, which is much faster than the one in the nested machine. */
export async function prepareImages(dir: string): Promise<Images> {
  const image = await buildAgentImage(dir);
  const registryImage = await buildRegistryImage();
  const archive = join(dir, 'images.tar');
  await run('docker', ['save', '--output', archive, image, registryImage]);
  const { stdout: listing } = await run('docker', [
    ...['run', '--rm', '--network', 'none', '--user', '0', '--entrypoint', '/bin/sh', image],
    ...['-c', LISTING_SCRIPT],
  ]);
  return { image, registryImage, archive, listing };
}

/** Boots a machine with this smolvm and runs the stages in it. */
export async function runChain(
  version: RealVersion,
  stages: readonly Stage[],
  { image, registryImage, archive }: Images,
): Promise<Report> {
  await prepareNestedVm();
  const shared = await fs.mkdtemp(join(tmpdir(), 'claude-bottle-vm-'));
  try {
    // The guest's ordinary user reads it too.
    await fs.chmod(shared, 0o755);
    const smolvmDir = await realSmolvm(version);
    const { stdout: help } = await run(join(smolvmDir, 'smolvm'), ['machine', 'exec', '--help']);
    const hasUserOption = help.includes('--user');
    const job: Job = { version, smolvmDir, image, registryImage, hasUserOption, stages };
    await fs.writeFile(join(shared, 'job.json'), JSON.stringify(job));
    await fs.copyFile(archive, join(shared, 'images.tar'));
    // A copy, so that a build at the same time does not change the program under test.
    await fs.cp(join(ROOT, 'dist'), join(shared, 'dist'), { recursive: true });
    const node = join(ROOT, 'node_modules/.bin');
    const script = [
      `export PATH=${node}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8`,
      `exec node ${join(import.meta.dirname, 'guest/main.ts')}`,
    ].join('\n');
    const exitCode = await runInNestedVm({ script, shared, timeoutMs: TIMEOUT_MS });
    const console = await fs.readFile(join(shared, 'console.log'), 'utf8');
    if (exitCode !== 0) {
      throw new Error(
        `the checks in the nested machine ended with exit code ${exitCode}:\n${console.slice(-8000)}`,
      );
    }
    const complaints =
      console.match(/^.*(?:out of memory|oom-kill|segfault|general protection|BUG:).*$/gim) ?? [];
    return { ...JSON.parse(await fs.readFile(join(shared, 'report.json'), 'utf8')), complaints };
  } finally {
    await fs.rm(shared, { recursive: true, force: true });
  }
}
