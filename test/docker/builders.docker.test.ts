import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runCli } from '../helpers/cli.ts';
import { fakeDocker } from '../helpers/fake-docker.ts';
import { buildSmallImage, busyboxContext, run } from '../helpers/small-image.ts';
import { tempDir } from '../helpers/temp-dir.ts';

/**
 * A docker command whose builder keeps what it builds, as one with the driver docker-container does: it writes the ID, and
 * the engine gets the image only with --load.
 */
const KEEPING_BUILDER = `
load= args=
for arg in "$@"; do
  case "$previous" in --iidfile) iid=$arg ;; --tag) tag=$arg ;; esac
  previous=$arg
  if [ "$arg" = --load ]; then load=yes; shift; else shift; set -- "$@" "$arg"; fi
done
if [ "$load" ]; then exec docker "$@"; fi
echo 'WARNING: No output specified with docker-container driver. Build result will only remain in the build cache.' >&2
printf 'sha256:%064d' 7 > "$iid"
`;

test('a builder that keeps its image is told to hand it over, also when an older one has the tag', async () => {
  const dir = await tempDir();
  const tag = `claude-bottle-test-load-${process.pid}:latest`;
  const old = await buildSmallImage(join(dir, 'old'), tag);
  onTestFinished(async () => {
    await run('docker', ['image', 'rm', '--force', tag, old]);
  });
  const context = await busyboxContext(join(dir, 'new'), 'FROM scratch\nCOPY bin /bin\nLABEL a=new\n');
  const docker = await fakeDocker(dir, 'build*', KEEPING_BUILDER);
  const args = ['pack', '--context', context, '--image', tag, '--store', join(dir, 'store'), '--json'];
  const result = await runCli([...args, '--no-kvm-check'], { ...docker.env, TMPDIR: dir });
  expect(result.exitCode, result.stderr).toBe(0);
  const { stdout } = await run('docker', ['image', 'inspect', '--format', '{{.Id}}', tag]);
  expect(JSON.parse(result.stdout)).toMatchObject({ imageId: stdout.trim() });
  expect(stdout.trim()).not.toBe(old);
  expect((await docker.calls()).filter((call) => call.startsWith('build '))).toHaveLength(2);
});
