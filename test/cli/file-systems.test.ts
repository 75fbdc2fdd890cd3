import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, type TestContext, test } from 'vitest';
import { type Checkout, publishFrames, sampleCheckout } from '../helpers/checkout.ts';
import { type CliResult, runCli } from '../helpers/cli.ts';
import { fixedEngine } from '../helpers/fixed-engine.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const IMAGE_ID = `sha256:${'1'.repeat(64)}`;
const NAME = `${IMAGE_ID.slice(7, 23)}.smolmachine.smolmachine`;
const CONTENTS = Array.from({ length: 6 }, () => randomBytes(60_000));
const MIB = 1024 * 1024;

interface FileSystem {
  readonly sizeMib: number;
  readonly make: readonly [command: string, ...args: string[]];
  readonly mount: readonly [command: string, ...args: string[]];
}

const LOOP = ['mount', '-o', 'loop'] as const;
/** A driver that takes no file. The device goes when nobody has it open any more. */
const EXFAT_MOUNT = `device=$(losetup --find --show "$1") || exit
mount.exfat-fuse -o umask=077 "$device" "$2"
code=$?
losetup --detach "$device"
exit $code`;
const EXFAT: FileSystem = {
  sizeMib: 120,
  make: ['mkfs.exfat'],
  mount: ['sh', '-c', EXFAT_MOUNT, 'sh'],
};

const FILE_SYSTEMS: Record<string, FileSystem> = {
  'without reflinks (ext4)': { sizeMib: 120, make: ['mkfs.ext4', '-q'], mount: LOOP },
  'with reflinks (xfs)': { sizeMib: 320, make: ['mkfs.xfs', '-q'], mount: LOOP },
  'with reflinks (btrfs)': { sizeMib: 240, make: ['mkfs.btrfs', '-q'], mount: LOOP },
  'where capital letters make no other name (NTFS)': {
    sizeMib: 120,
    make: ['mkntfs', '-F', '-q'],
    mount: ['lowntfs-3g', '-o', 'ignore_case,permissions'],
  },
};

/** A directory on a file system of its own, until the test is over. */
async function mounted({ skip }: TestContext, { sizeMib, make, mount }: FileSystem): Promise<string> {
  const dir = await tempDir();
  const [image, place] = [join(dir, 'image'), join(dir, 'mounted')];
  await fs.mkdir(place);
  await fs.writeFile(image, '');
  await fs.truncate(image, sizeMib * MIB);
  for (const [command, ...args] of [
    [...make, image],
    [...mount, image, place],
  ] as const) {
    try {
      execFileSync(command as string, args, { stdio: 'pipe' });
    } catch (error) {
      const reason = (error as { stderr?: Buffer }).stderr?.toString().trim() || String(error);
      skip(`${command} cannot be used here: ${reason}`);
    }
  }
  onTestFinished(() => void execFileSync('umount', ['--lazy', place]));
  // A fresh NTFS is open to everybody.
  await fs.chmod(place, 0o755).catch(() => {});
  return place;
}

/** A developer whose builds all give the same image. */
async function developer(checkout: Checkout, store: string) {
  const engine = await fixedEngine(IMAGE_ID);
  const home = await tempDir();
  return (command: string, ...args: string[]): Promise<CliResult> =>
    runCli([command, ...args, '--store', store], {
      ...{ HOME: home, GH_TOKEN: '', GITHUB_TOKEN: '', PWD: checkout.dir },
      ...engine.env,
    });
}

function expectDone({ exitCode, stderr }: CliResult): void {
  expect(exitCode, stderr).toBe(0);
}

describe('a store on a file system', () => {
  test.for(Object.entries(FILE_SYSTEMS))(
    '%s takes a sidecar and an update, serves, checks and prunes them',
    async ([, fileSystem], context) => {
      const store = join(await mounted(context, fileSystem), 'store');
      const checkout = await sampleCheckout();
      const cli = await developer(checkout, store);
      const there = ['--context', checkout.dir];
      for (const changed of [0, 1]) {
        await fs.writeFile(join(checkout.dir, 'agent.txt'), `version ${changed}\n`);
        await checkout.commit();
        const { path, bytes } = await publishFrames(checkout, CONTENTS.with(changed, randomBytes(60_000)));
        expectDone(await cli('fetch', ...there, '--from', `file:${path}`));
        expect(bytes.equals(await fs.readFile(join(store, NAME)))).toBe(true);
      }
      const path = await cli('path', ...there);
      expectDone(path);
      expectDone(await cli('verify'));
      expectDone(await cli('prune', '--max-size', '0MB', '--keep', '1'));
      expect(await fs.readdir(join(store, '.pack/objects/sha256'))).toHaveLength(1);
      expectDone(await cli('fetch', ...there, '--offline'));
    },
  );

  test('that has no links is refused with what to do, and keeps nothing', async (context) => {
    const place = await mounted(context, EXFAT);
    const checkout = await sampleCheckout();
    const { path } = await publishFrames(checkout, CONTENTS);
    const cli = await developer(checkout, join(place, 'store'));
    const result = await cli('fetch', '--context', checkout.dir, '--from', `file:${path}`);
    expect(result.exitCode, result.stderr).toBe(73);
    expect(result.stderr).toMatch(/^ {2}try: use a directory on another disk/m);
    const left = await fs.readdir(place, { recursive: true, withFileTypes: true });
    expect(left.filter((entry) => entry.isFile() && entry.name !== 'CACHEDIR.TAG')).toEqual([]);
  });
});

describe('an export', () => {
  /** A machine that has a sidecar in its store. */
  async function machineWithSidecar() {
    const checkout = await sampleCheckout();
    const { path, bytes } = await publishFrames(checkout, CONTENTS);
    const cli = await developer(checkout, join(await tempDir(), 'store'));
    expectDone(await cli('fetch', '--context', checkout.dir, '--from', `file:${path}`));
    return { checkout, bytes, export: (dir: string) => cli('export', dir, '--context', checkout.dir) };
  }

  test('to a stick without modes and links (exFAT) is fetched from there', async (context) => {
    const stick = await mounted(context, EXFAT);
    const machine = await machineWithSidecar();
    // The second one replaces the files of the first.
    expectDone(await machine.export(stick));
    expectDone(await machine.export(stick));
    const [exported = ''] = (await fs.readdir(stick)).filter((name) => name.endsWith('.smolmachine'));
    const other = await developer(machine.checkout, join(await tempDir(), 'store'));
    const from = ['--from', `file:${join(stick, exported)}`];
    expectDone(await other('fetch', '--context', machine.checkout.dir, ...from));
    expect(machine.bytes.equals(await fs.readFile(join(stick, exported)))).toBe(true);
  });

  test.each([
    ['is full', 'size=256k'],
    ['has no inodes', 'size=80m,nr_inodes=2'],
    ['is read-only', 'size=80m,ro'],
  ])('to a disk that %s ends with 73, and leaves nothing', async (_, options) => {
    const dir = await tempDir();
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir]);
    onTestFinished(() => void execFileSync('umount', ['--lazy', dir]));
    const machine = await machineWithSidecar();
    const result = await machine.export(dir);
    expect(result.exitCode, result.stderr).toBe(73);
    expect(result.stderr).toMatch(/^ {2}try: /m);
    expect(await fs.readdir(dir)).toEqual([]);
  });
});
