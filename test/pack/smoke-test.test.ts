import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { hostGuestPlatform } from '../../src/identity/platform.ts';
import { requireOwnPlatform, runSmokeTest, type SmokeTest } from '../../src/pack/smoke-test.ts';
import { findSmolvm } from '../../src/pack/smolvm.ts';
import { DOUBLE_DIR } from '../helpers/cli.ts';
import { failureOf } from '../helpers/failure.ts';
import { processesWith, waitUntil } from '../helpers/leftovers.ts';
import { writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';

async function room(fault?: string) {
  const dir = await tempDir();
  const tmp = join(dir, 'tmp');
  await fs.mkdir(tmp);
  vi.stubEnv('TMPDIR', tmp);
  vi.stubEnv('SMOLVM_DOUBLE_FAULT', fault);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const sidecar = join(dir, 'packed.smolmachine');
  await writeSample(sidecar);
  const smolvm = await findSmolvm(join(DOUBLE_DIR, 'smolvm'));
  return {
    run: async (smokeTest: SmokeTest, signal = new AbortController().signal) =>
      await runSmokeTest(sidecar, smokeTest, { smolvm, timeoutMs: 60_000, signal, onProgress: () => {} }),
    sidecar,
    left: async () => [...(await fs.readdir(tmp)), ...(await processesWith(tmp))],
  };
}

describe('a smoke test', () => {
  test('passes when the command succeeds and prints what it must print', async () => {
    const { run, left } = await room();
    await run({ command: 'true' });
    await run({ command: 'printf "version %s\\n" 1.2.3', output: 'version 1.2.3' });
    expect(await left()).toEqual([]);
  });

  test('fails with the command, its exit code and its last lines', async () => {
    const { run, left } = await room();
    const failure = await failureOf(run({ command: 'echo "to standard output"; echo oops >&2; exit 3' }));
    expect(failure.code).toBe('smoke-test-failed');
    expect(failure.message).toContain('echo oops >&2; exit 3');
    expect(failure.message).toContain('exit code 3');
    expect(failure.details).toEqual(expect.arrayContaining(['to standard output', 'oops']));
    expect(await left()).toEqual([]);
  });

  test('fails when the command prints something else', async () => {
    const { run } = await room();
    const failure = await failureOf(run({ command: 'echo 1.2.4', output: '1.2.3' }));
    expect(failure.message).toBe('the smoke test "echo 1.2.4" did not print "1.2.3"');
    expect(failure.details).toContain('1.2.4');
  });

  test('gives smolvm no files of the user, and the user none of its own', async () => {
    const { run } = await room();
    const home = await tempDir();
    vi.stubEnv('HOME', home);
    await run({
      command: `test "$HOME" != '${home}' && touch "$HOME/x" "$XDG_CACHE_HOME/x"`,
    });
    expect(await fs.readdir(home)).toEqual([]);
  });

  test('fails with the words of smolvm when the machine does not boot', async () => {
    const { run, left } = await room('no-boot');
    const failure = await failureOf(run({ command: 'true' }));
    expect(failure.message).toBe('smolvm machine start failed (exit code 1)');
    expect(failure.details.join('\n')).toContain('no boot progress for 30 seconds');
    expect(await left()).toEqual([]);
  });

  test('fails when smolvm refuses the sidecar', async () => {
    const { run, sidecar, left } = await room();
    await fs.appendFile(sidecar, 'x'.repeat(64));
    const failure = await failureOf(run({ command: 'true' }));
    expect(failure.message).toBe('smolvm machine create failed (exit code 1)');
    expect(await left()).toEqual([]);
  });

  test('ends its machine when it is stopped', async () => {
    const { run, left } = await room();
    const stop = new AbortController();
    const ended = run({ command: 'sleep 60' }, stop.signal);
    await waitUntil(async () => (await left()).some((line) => line.includes('sleep 60')), 'the command runs');
    expect((await left()).some((line) => line.includes('_boot-vm'))).toBe(true);
    stop.abort(new Error('stopped'));
    await expect(ended).rejects.toThrow('stopped');
    expect(await left()).toEqual([]);
  });

  test('is refused for another platform than that of this machine', () => {
    const own = hostGuestPlatform();
    requireOwnPlatform(own);
    const other = own === 'linux/amd64' ? 'linux/arm64' : 'linux/amd64';
    expect(() => requireOwnPlatform(other)).toThrow(`cannot start a machine for ${other} on ${own}`);
  });
});
