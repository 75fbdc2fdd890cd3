import { execFile } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { runCli } from '../helpers/cli.ts';
import { fakeDocker } from '../helpers/fake-docker.ts';
import { startServer } from '../helpers/loopback-server.ts';
import { writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const ID16 = '0123456789abcdef';
const NAME = `${ID16}.smolmachine.smolmachine`;

async function sampleStore(): Promise<{ store: string; path: string }> {
  const store = join(await tempDir(), 'store');
  await fs.mkdir(store, { mode: 0o700 });
  await writeSample(join(store, NAME));
  // what the sample's layer was made from
  await fs.rm(join(store, 'root'), { recursive: true });
  return { store, path: join(store, NAME) };
}

describe('the command line', () => {
  test.each([
    [[], 64, /Usage: claude-bottle/],
    [['pakc'], 64, /did you mean pack\?/],
    [
      ['pack', '--jsn'],
      64,
      /error: unknown option '--jsn' \(did you mean --json\?\)\n {2}try: claude-bottle pack --help\n$/,
    ],
    [
      ['fetch', '--tag', 'x'],
      64,
      /unknown option '--tag' \(did you mean --image\?\)\n {2}try: claude-bottle fetch --help/,
    ],
    [['pack', '--push'], 64, /unknown option '--push': CI publishes, .*\n {2}try: set the input publish/],
    [['install'], 64, /unknown command 'install' \(did you mean fetch\?\)/],
    [['import', 'x'], 64, /unknown command 'import' \(did you mean fetch --from file:PATH\?\)/],
    [
      ['inspect'],
      64,
      /^claude-bottle: error: missing required argument .*\n {2}try: claude-bottle inspect --help\n$/,
    ],
    [['ls', 'x', 'y'], 64, /too many arguments for 'ls'\. Expected .*\n {2}try: claude-bottle ls --help\n$/],
    [['pack', '--hop', 'tunnel'], 64, /Allowed choices are embedded, container/],
    [['pack', '--cpus', '0'], 64, /whole number from 1 to 255/],
    [
      ['pack', '--platform', 'linux/riscv64', '--no-build'],
      64,
      /unknown platform "linux\/riscv64"\n {2}try: use one of/,
    ],
    [['pack', '--image', '-x'], 64, /not an image name: "-x"/],
    [['pack', '--image', 'a b; rm -rf'], 64, /not an image name/],
    [['pack', '--context', '/no/such/dir'], 64, /build context "\/no\/such\/dir" is not a directory/],
    [['pack', '--no-build', '--out', '/no/such/dir/file'], 64, /directory of --out "\/no\/such\/dir" is not/],
    [['pack', '--no-build', '--out', '/tmp'], 64, /--out "\/tmp" is a directory/],
    [['pack', '--', '--iidfile', 'x'], 64, /--iidfile is set by claude-bottle pack/],
    [['pack', '--no-build', '--target', 'x'], 64, /--target has no meaning with --no-build/],
    [['verify', '--all', 'x'], 64, /takes x or --all, not both/],
    [['inspect', '/no/such/file'], 66, /there is no file \/no\/such\/file/],
  ])('%j ends with %i and says why', async (args, exitCode, message) => {
    const store = join(await tempDir(), 'store');
    const result = await runCli(args, { CLAUDE_BOTTLE_STORE: store });
    expect(result.exitCode, result.stderr).toBe(exitCode);
    expect(result.stderr).toMatch(message);
    expect(result.stdout).toBe('');
    expect(result.stderr).not.toMatch(/\n\s+at /);
  });

  test('--help of every command goes to standard output and ends with 0', async () => {
    for (const args of [
      ['--help'],
      ['pack', '--help'],
      ['inspect', '--help'],
      ['verify', '--help'],
      ['doctor', '--help'],
    ]) {
      const result = await runCli(args);
      expect([result.exitCode, result.stderr], args.join(' ')).toEqual([0, '']);
      expect(result.stdout).toContain('Usage: claude-bottle');
    }
  });

  test('--json makes errors readable for machines, --debug shows where they come from', async () => {
    const result = await runCli(['inspect', '/no/such/file', '--json']);
    expect(JSON.parse(result.stdout)).toMatchObject({ code: 'not-found', exit: 66 });
    const unknown = await runCli(['fetch', '--json', '--jsn']);
    expect(JSON.parse(unknown.stdout)).toMatchObject({
      code: 'usage',
      exit: 64,
      message: expect.stringContaining('did you mean --json?'),
      try: ['claude-bottle fetch --help'],
    });
    expect((await runCli(['--debug', 'inspect', '/no/such/file'])).stderr).toMatch(/\n\s+at /);
  });
});

describe('inspect', () => {
  test('shows what is in a sidecar, and no escape sequence of its maker', async () => {
    const path = join(await tempDir(), 'sidecar');
    await writeSample(path, ({ manifest }) => ({
      manifest: { ...manifest, workdir: '/\u001b[2J\u0007work', from_the_future: true },
    }));
    const { stdout, exitCode } = await runCli(['inspect', path]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/platform +linux\/amd64\n/);
    expect(stdout).toMatch(/packed by +smolvm 1\.9\.3 on linux\/amd64\n/);
    expect(stdout).toContain(String.raw`/\u001b[2J\u0007work`);
    expect(stdout).toContain('manifest keys from_the_future');
    const json = JSON.parse((await runCli(['inspect', path, '--json'])).stdout);
    expect(json).toMatchObject({
      manifest: { smolvm_version: '1.9.3' },
      footer: { crc32: expect.any(Number) },
    });
  });

  test('of a damaged file ends with 65', async () => {
    const path = join(await tempDir(), 'sidecar');
    await fs.writeFile(path, Buffer.alloc(1000));
    expect(await runCli(['inspect', path])).toMatchObject({ exitCode: 65 });
  });
});

test('a result that cannot be written is an error of its own, without a stack trace', async () => {
  const path = join(await tempDir(), 'sidecar');
  await writeSample(path);
  const main = join(import.meta.dirname, '../../dist/cli.mjs');
  const script = 'exec "$1" "$2" inspect "$3" > /dev/full';
  const failed = promisify(execFile)('sh', ['-c', script, 'sh', process.execPath, main, path]);
  const error = (await failed.catch((reason: unknown) => reason)) as { code: number; stderr: string };
  expect(error.code).toBe(74);
  expect(error.stderr).toMatch(/^claude-bottle: error: cannot write the result: .*ENOSPC.*\n$/);
});

describe('verify', () => {
  test('takes a file, an ID of either length, or the whole store', async () => {
    const { store, path } = await sampleStore();
    const env = { CLAUDE_BOTTLE_STORE: store };
    expect(await runCli(['verify', path], env)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(`✓ ${path}  `),
    });
    const short = ID16.slice(0, 12);
    const ids = [[ID16], [`sha256:${ID16.repeat(4)}`], [short], [short.slice(0, 4)]];
    for (const args of [...ids, [], ['--all'], ['--all', '--deep']]) {
      const result = await runCli(['verify', ...args], env);
      expect(result, result.stderr).toMatchObject({
        exitCode: 0,
        stdout: expect.stringContaining(`✓ ${short}  `),
      });
    }
    expect(JSON.parse((await runCli(['verify', '--json'], env)).stdout)).toMatchObject([{ path, exit: 0 }]);
    const { stdout: whole } = await runCli(['verify', '--verbose'], env);
    expect(whole).toMatch(/sha256 [0-9a-f]{64} /);
    const [{ members }] = JSON.parse((await runCli(['verify', '--all', '--deep', '--json'], env)).stdout);
    expect(members).toHaveLength(4);
    expect(await runCli(['verify', 'fedcba9876543210'], env)).toMatchObject({ exitCode: 66 });
  });

  test('moves a damaged sidecar of the store to quarantine, but not a file of the user', async () => {
    const { store, path } = await sampleStore();
    const outside = join(store, '..', 'outside');
    await fs.copyFile(path, outside);
    for (const file of [path, outside]) {
      await fs.truncate(file, 500);
    }
    const result = await runCli(['verify', '--all', '--store', store]);
    expect(result.exitCode).toBe(65);
    expect(result.stdout).toMatch(/^✗ 0123456789ab {2}damaged .*moved to .*quarantine/);
    expect(await fs.readdir(store)).toEqual(['.pack']);
    expect(await runCli(['verify', outside])).toMatchObject({ exitCode: 65 });
    expect((await fs.stat(outside)).size).toBe(500);
    expect(await runCli(['verify', '--all', '--store', store])).toMatchObject({
      exitCode: 0,
      stdout: 'the store has no sidecars\n',
    });
  });

  test('refuses a store that others could write to', async () => {
    const { store } = await sampleStore();
    await fs.chmod(store, 0o777);
    const result = await runCli(['verify', '--all', '--store', store]);
    expect(result.exitCode).toBe(78);
    expect(result.stderr).toMatch(/writable for others \(mode 777\)\n {2}try: chmod 700 \//);
  });
});

describe('doctor', () => {
  test('names each missing thing with its fix, and ends with 78', async () => {
    const store = join(await tempDir(), 'store');
    const result = await runCli(['doctor', '--store', store], { PATH: '/nonexistent' });
    expect(result.exitCode).toBe(78);
    expect(result.stdout).toMatch(/✗ docker +the docker command is not on PATH\n +try: install Docker/);
    expect(result.stdout).toMatch(/✗ smolvm +smolvm is not on PATH\n +try: install smolvm/);
    expect(result.stdout).toMatch(new RegExp(`✓ store +${store}, not there yet`));
    expect(result.stdout).toMatch(
      /\nNot ready to fetch: Docker is missing.*\. Not ready to pack: Docker is missing, smolvm is missing.*\.\n$/,
    );
  });

  test('ends with 0 where everything can be fetched, though nothing can be packed', async () => {
    const dir = await tempDir();
    const github = await startServer((_, response) => response.writeHead(401).end());
    const docker = await fakeDocker(dir, 'info*', "echo '27.3.1 []'");
    const [bin] = docker.env.PATH.split(delimiter);
    const env = {
      PATH: [bin, process.env.PATH].join(delimiter),
      CLAUDE_BOTTLE_STORE: join(dir, 'store'),
      GITHUB_SERVER_URL: `http://localhost:${github.port}`,
      HTTPS_PROXY: 'http://127.0.0.1:9',
    };
    const result = await runCli(['doctor'], env);
    expect(result.exitCode, result.stdout).toBe(0);
    expect(result.stdout).toMatch(/\nReady to fetch\. Not ready to pack: smolvm is missing.*\.\n$/);
    const { ready } = JSON.parse((await runCli(['doctor', '--json'], env)).stdout);
    expect(ready).toEqual({ fetch: true, pack: false });
    expect(result.stdout).toMatch(/! network +containers\.localhost cannot be reached\n/);
  });

  test('says so where neither the registry nor the server can be reached', async () => {
    const { stdout, exitCode } = await runCli(['doctor'], { HTTPS_PROXY: 'http://127.0.0.1:9' });
    expect(exitCode).toBe(78);
    expect(stdout).toMatch(
      /✗ network +ghcr\.io and github\.com cannot be reached\n +\| no answer from https:\/\/ghcr\.io .*\n +\| no answer from https:\/\/github\.com .*\n +try: check the network/,
    );
    expect(stdout).toMatch(/\nNot ready to fetch: .*ghcr\.io and github\.com cannot be reached\./);
  });

  test('finds damaged sidecars and bad versions', async () => {
    const { store, path } = await sampleStore();
    await fs.truncate(path, 100);
    const env = { SMOLVM_DOUBLE_VERSION: '1.1.2' };
    const { findings } = JSON.parse((await runCli(['doctor', '--json', '--store', store], env)).stdout);
    const byName = Object.fromEntries(findings.map((finding: { name: string }) => [finding.name, finding]));
    expect(byName.store).toMatchObject({ state: 'fail', detail: expect.stringContaining(ID16) });
    expect(byName.smolvm).toMatchObject({
      state: 'fail',
      detail: expect.stringContaining('older than 1.9.0'),
    });
  });
});

describe('the committed bundle', () => {
  const dist = join(import.meta.dirname, '../../dist/cli.mjs');
  const run = promisify(execFile);

  test('starts from anywhere, without node_modules', async () => {
    const dir = await tempDir();
    await fs.cp(join(dist, '..'), join(dir, 'dist'), { recursive: true });
    const { stdout } = await run(process.execPath, [join(dir, 'dist/cli.mjs'), '--version'], { cwd: dir });
    expect(stdout).toBe(`${packageJson.version}\n`);
    const { path } = await sampleStore();
    for (const command of ['inspect', 'verify']) {
      const result = await run(process.execPath, [join(dir, 'dist/cli.mjs'), command, path], { cwd: dir });
      expect(result.stdout).toContain(path);
    }
  });
});
