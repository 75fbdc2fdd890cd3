import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { callInChild, type ModuleResult } from '../helpers/module-child.ts';
import { tempDir } from '../helpers/temp-dir.ts';

let dir: string;
let bin: string;
let device: string;

/** Permissions do not hold root back, so root tests as nobody, who must be able to read this checkout. */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const cannotTest = process.platform !== 'linux' || (isRoot && !(await nobodyCanRead()));
if (cannotTest) {
  console.warn(
    'SKIPPED: what happens to a user who may not open /dev/kvm needs Linux and a readable checkout',
  );
}

async function nobodyCanRead(): Promise<boolean> {
  return await callInChild('src/action/kvm.ts', "prepareKvm('/dev/null')", { uid: NOBODY }).then(
    () => true,
    () => false,
  );
}

beforeEach(async () => {
  dir = await tempDir();
  bin = join(dir, 'bin');
  device = join(dir, 'kvm');
  await fs.mkdir(bin);
  await fs.writeFile(device, '', { mode: 0o000 });
  if (isRoot) {
    await fs.chown(dir, NOBODY, NOBODY);
    await fs.chown(device, NOBODY, NOBODY);
  }
});

/** A sudo and an udevadm that note how they are called; the trigger does `effect` a moment later, as udev would. */
async function fakeSudo({ exitCode = 0, effect = ':' } = {}): Promise<void> {
  const note = `printf '%s\\n' "$(basename "$0") $*" >> '${dir}/log'`;
  const sudo = `${note}\n[ ${exitCode} = 0 ] || exit ${exitCode}\nshift\n[ "$1" = tee ] && exec cat > '${dir}/rule'\nexec "$@"`;
  const udevadm = `${note}\n[ "$1" != trigger ] || { sleep 0.3; ${effect}; } > /dev/null 2>&1 &`;
  await fs.writeFile(join(bin, 'sudo'), `#!/bin/sh\n${sudo}\n`, { mode: 0o755 });
  await fs.writeFile(join(bin, 'udevadm'), `#!/bin/sh\n${udevadm}\n`, { mode: 0o755 });
}

async function prepare(path: string, env: NodeJS.ProcessEnv = {}): Promise<ModuleResult> {
  return await callInChild('src/action/kvm.ts', `prepareKvm(${JSON.stringify(path)})`, {
    env: {
      RUNNER_OS: 'Linux',
      RUNNER_ENVIRONMENT: 'github-hosted',
      PATH: [bin, process.env.PATH].join(delimiter),
      ...env,
    },
    ...(isRoot ? { uid: NOBODY } : {}),
  });
}

async function calls(): Promise<string[]> {
  const log = await fs.readFile(join(dir, 'log'), 'utf8').catch(() => '');
  return log.split('\n').filter((line) => line !== '');
}

test.skipIf(cannotTest)('a device that opens is left as it is', async () => {
  await fakeSudo();
  await fs.chmod(device, 0o666);
  expect(await prepare(device)).toEqual({});
  expect(await calls()).toEqual([]);
});

describe.skipIf(cannotTest)('a device that is closed to this user', () => {
  test('is opened by a udev rule, and opens when we are done', async () => {
    await fakeSudo({ effect: `chmod 666 '${device}'` });
    expect(await prepare(device)).toEqual({});
    expect(await calls()).toEqual([
      'sudo -n true',
      'sudo -n tee /etc/udev/rules.d/99-kvm4all.rules',
      'sudo -n udevadm control --reload-rules',
      'udevadm control --reload-rules',
      'sudo -n udevadm trigger --name-match=kvm',
      'udevadm trigger --name-match=kvm',
    ]);
    expect(await fs.readFile(join(dir, 'rule'), 'utf8')).toBe(
      'KERNEL=="kvm", GROUP="kvm", MODE="0666", OPTIONS+="static_node=kvm"\n',
    );
  });

  test('is an error when the rule does not help', async () => {
    await fakeSudo();
    const result = await prepare(device);
    expect(result).toMatchObject({
      code: 'kvm-unavailable',
      message: expect.stringContaining('after the udev rule'),
    });
  });

  test('is an error with the rule to set where sudo asks for a password', async () => {
    await fakeSudo({ exitCode: 1 });
    const result = await prepare(device);
    expect(result).toMatchObject({
      code: 'kvm-unavailable',
      hint: expect.stringContaining('99-kvm4all.rules'),
    });
    expect(await calls()).toEqual(['sudo -n true']);
  });

  test('is an error with the rule to set where there is no sudo', async () => {
    const result = await prepare(device, { PATH: bin });
    expect(result).toMatchObject({
      code: 'kvm-unavailable',
      hint: expect.stringContaining('99-kvm4all.rules'),
    });
  });
});

test.skipIf(cannotTest)('a machine without the device is sent to one that has it, without sudo', async () => {
  await fakeSudo();
  const result = await prepare(join(dir, 'nothing'));
  expect(result).toMatchObject({
    code: 'kvm-unavailable',
    hint: expect.stringContaining('ubuntu-latest (x64)'),
  });
  expect(result.message).toContain(join(dir, 'nothing'));
  expect(await calls()).toEqual([]);
});

test.each(['macOS', 'Windows'])('a %s runner is told so, even if the device opens', async (os) => {
  const result = await callInChild('src/action/kvm.ts', "prepareKvm('/dev/null')", {
    env: { RUNNER_OS: os },
  });
  expect(result).toMatchObject({ code: 'kvm-unavailable', message: expect.stringContaining(os) });
});
