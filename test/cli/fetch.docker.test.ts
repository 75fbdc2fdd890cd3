import * as fs from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { engineFacts } from '../../src/docker/command.ts';
import { parseInputsKey } from '../../src/identity/inputs-key.ts';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { publishedName } from '../../src/identity/published-name.ts';
import { formatRecord } from '../../src/sidecar/file.ts';
import { startGitHub } from '../doubles/github/github.ts';
import { type Checkout, sampleCheckout } from '../helpers/checkout.ts';
import { type CliResult, DOUBLE_DIR, runCli } from '../helpers/cli.ts';
import { startDockerRegistry } from '../helpers/docker-registry.ts';
import { publishSidecars } from '../helpers/oci-publish.ts';
import { run } from '../helpers/small-image.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const CHECK = join(import.meta.dirname, '../doubles/claude-bottle/ensure_smolmachine.py');
const PLATFORM = 'linux/amd64';

const { store: imageStore } = await engineFacts();
const hasBuildx = await run('docker', ['buildx', 'version']).then(
  () => true,
  () => false,
);
if (imageStore === 'classic' || !hasBuildx) {
  console.error('No BuildKit with the containerd image store: tests of changing image IDs are skipped.');
}

interface Machine {
  readonly checkout: Checkout;
  readonly store: string;
  /** The name under which claude-bottle builds here. */
  readonly image: string;
  cli(command: string, ...args: string[]): Promise<CliResult>;
  /** What claude-bottle does before it packs. */
  check(env?: NodeJS.ProcessEnv): Promise<{ hit: boolean; path: string }>;
}

interface Packed {
  readonly path: string;
  readonly record: PackRecord;
  readonly name: string;
}

let counter = 0;

/** A developer's machine with an empty home, and a checkout of what CI has packed. */
async function world(
  dockerfile = 'FROM scratch\nCOPY agent.txt /\nLABEL org.example.agent=yes\n',
  env: NodeJS.ProcessEnv = {},
): Promise<{ machine: Machine; packed: Packed }> {
  counter += 1;
  const image = `claude-bottle-test-${process.pid}-${counter}:latest`;
  const home = await tempDir();
  const checkout = await sampleCheckout(dockerfile);
  await fs.writeFile(join(checkout.dir, 'agent.txt'), `agent ${process.pid} ${counter} ${Date.now()}\n`);
  await checkout.commit();
  const packed = await packInCi(checkout, image);
  const developer = {
    HOME: home,
    CLAUDE_BOTTLE_IMAGE: image,
    BUILDX_NO_DEFAULT_ATTESTATIONS: '1',
    GH_TOKEN: '',
    GITHUB_TOKEN: '',
    ...env,
  };
  onTestFinished(async () => {
    await run('docker', ['image', 'rm', '--force', image]).catch(() => {});
  });
  const machine: Machine = {
    checkout,
    store: join(home, '.cache/claude-bottle/smolmachines'),
    image,
    cli: (command, ...args) => runCli([command, '--context', checkout.dir, ...args], developer),
    check: async (more = {}) => {
      const result = await run('python3', [CHECK, checkout.dir], {
        env: { ...process.env, ...developer, ...more },
      }).then(
        ({ stdout }) => ({ hit: true, stdout }),
        ({ code, stdout, stderr }) => {
          if (code !== 1) {
            throw new Error(`the check of claude-bottle failed: ${stderr}`);
          }
          return { hit: false, stdout };
        },
      );
      return { hit: result.hit, path: result.stdout.trim() };
    },
  };
  return { machine, packed };
}

/** Packed by the double of smolvm; afterwards the engine knows nothing of it, so that a build gets another image ID. */
async function packInCi(checkout: Checkout, image: string): Promise<Packed> {
  const dir = await tempDir();
  const out = join(dir, 'agent.smolmachine');
  const result = await runCli([
    ...['pack', '--context', checkout.dir, '--image', image, '--store', join(dir, 'store')],
    ...['--out', out, '--no-kvm-check'],
  ]);
  expect(result.exitCode, result.stderr).toBe(0);
  await run('docker', ['image', 'rm', '--force', image]);
  if (hasBuildx) {
    await run('docker', ['builder', 'prune', '--all', '--force']);
  }
  const record: PackRecord = {
    ...JSON.parse(await fs.readFile(`${out}.json`, 'utf8')),
    source: {
      repository: 'acme/tools',
      commit: await checkout.git('rev-parse', 'HEAD'),
      ref: 'refs/heads/main',
      event: 'push',
      runId: '1',
      runAttempt: 1,
    },
  };
  await fs.writeFile(`${out}.json`, formatRecord(record));
  return { path: out, record, name: publishedName(PLATFORM, parseInputsKey(record.inputs?.key ?? '')) };
}

/** Fetches into an empty store, and claude-bottle finds it; a second fetch asks nobody. */
async function expectFetched(machine: Machine, packed: Packed, from: readonly string[]): Promise<CliResult> {
  expect(await machine.check()).toMatchObject({ hit: false });
  const fetched = await machine.cli('fetch', ...from, '--json');
  expect(fetched.exitCode, fetched.stderr).toBe(0);
  const result = JSON.parse(fetched.stdout);
  expect(result).toMatchObject({
    status: 'fetched',
    sha256: packed.record.sidecar.sha256,
    nextStart: 'hit',
    bound: { outcome: 'bound', proof: 'inputs' },
  });
  expect(result.bound.imageId).not.toBe(packed.record.image.id);
  expect(await machine.check()).toEqual({ hit: true, path: result.path });
  expect(await fs.readFile(result.path)).toEqual(await fs.readFile(packed.path));
  const again = await machine.cli('fetch', '--offline', '--json');
  expect(JSON.parse(again.stdout)).toMatchObject({ status: 'hit', bound: { outcome: 'already-bound' } });
  return fetched;
}

describe('from an empty machine, claude-bottle finds what was fetched from', () => {
  test('an OCI registry', async () => {
    const { machine, packed } = await world();
    const registry = await startDockerRegistry();
    const key = packed.record.inputs?.key ?? '';
    await publishSidecars(
      `${registry.host}/acme/tools/smolmachine`,
      [`k-${key.slice(0, 32)}`],
      [{ path: packed.path, platform: PLATFORM, record: JSON.stringify(packed.record) }],
    );
    const published = registry.requests.length;
    const from = ['--from', `oci:${registry.host}/acme/tools/smolmachine`];
    await expectFetched(machine, packed, from);

    const before = registry.requests.length;
    expect(await machine.cli('fetch', ...from)).toMatchObject({ exitCode: 0 });
    expect(registry.requests.length, 'requests of a second fetch').toBe(before);
    const withLogin = registry.requests.slice(published).filter(({ authorization }) => authorization);
    expect(withLogin).toEqual([]);
  });

  test('a GitHub release', async () => {
    const github = await startGitHub();
    onTestFinished(() => github.close());
    const { machine, packed } = await world(undefined, github.env);
    const assets = {
      [packed.name]: await fs.readFile(packed.path),
      [`${packed.name}.json`]: formatRecord(packed.record),
    };
    github.addRepository('acme/tools').addRelease('v1', assets);
    await expectFetched(machine, packed, ['--from', 'release:v1']);
  });

  test('a workflow artifact', async () => {
    const github = await startGitHub();
    onTestFinished(() => github.close());
    const { machine, packed } = await world(undefined, github.env);
    const repository = github.addRepository('acme/tools');
    const workflowRun = repository.addRun();
    const record: PackRecord = {
      ...packed.record,
      source: { ...packed.record.source, runId: String(workflowRun.id) } as PackRecord['source'],
    };
    repository.addArtifact(workflowRun, packed.name, await fs.readFile(packed.path));
    repository.addArtifact(workflowRun, `${packed.name}.json`, formatRecord(record));
    const token = github.addToken({ reads: [repository] });
    const fetched = await expectFetched(machine, packed, [
      ...['--from', `run:${workflowRun.id}`],
      ...['--token', token],
    ]);
    expect(fetched.stdout + fetched.stderr).not.toContain(token);
  });

  test('a web server', async () => {
    const { machine, packed } = await world();
    const server = createServer(async (request, response) => {
      const files: Record<string, string> = {
        '/agent.smolmachine': packed.path,
        '/agent.smolmachine.json': `${packed.path}.json`,
      };
      const file = files[request.url ?? ''];
      response.writeHead(file === undefined ? 404 : 200).end(file && (await fs.readFile(file)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    await expectFetched(machine, packed, ['--from', `http://127.0.0.1:${port}/agent.smolmachine`]);
  });

  test('a file', async () => {
    const { machine, packed } = await world();
    await expectFetched(machine, packed, ['--from', `file:${packed.path}`]);
  });
});

test('a miss says what each source lacks, and what differs from the nearest that is published', async () => {
  const github = await startGitHub();
  onTestFinished(() => github.close());
  const { machine, packed } = await world(undefined, github.env);
  const registry = await startDockerRegistry();
  await publishSidecars(
    `${registry.host}/acme/tools/smolmachine`,
    [`k-${packed.record.inputs?.key.slice(0, 32)}`, `sha-${packed.record.source?.commit}`],
    [{ path: packed.path, platform: PLATFORM, record: JSON.stringify(packed.record) }],
  );
  await fs.writeFile(join(machine.checkout.dir, 'agent.txt'), 'changed\n');
  await machine.checkout.commit();
  const result = await machine.cli('fetch', '--from', `oci:${registry.host}/acme/tools/smolmachine`);
  expect(result.exitCode).toBe(66);
  const [headline, ...details] = result.stderr.split('\n').slice(-7);
  expect(headline).toMatch(/error: nothing is published for commit [0-9a-f]{12} yet$/);
  expect(details).toEqual([
    `  | the nearest published sidecar is for linux/amd64, of commit ${packed.record.source?.commit.slice(0, 12)}`,
    expect.stringMatching(/^ {2}\| there is no \S+:k-[0-9a-f]{32}$/),
    expect.stringMatching(/^ {2}\| inputs key [0-9a-f]{16}, linux\/amd64$/),
    '  try: gh run list         # is CI still packing it?',
    '       claude-bottle pack  # pack it here, takes minutes',
    '',
  ]);
});

test('fetch --no-bind leaves the rest to bind', async () => {
  const { machine, packed } = await world();
  await machine.cli('fetch', '--from', `file:${packed.path}`, '--no-bind');
  expect(await machine.check()).toMatchObject({ hit: false });
  const bound = await machine.cli('bind');
  expect(bound.exitCode, bound.stderr).toBe(0);
  expect(await machine.check()).toEqual({ hit: true, path: bound.stdout.trim() });
  const listed = JSON.parse((await runCli(['ls', '--json', '--store', machine.store])).stdout);
  expect(listed).toMatchObject([
    {
      origins: [{ origin: 'github.com/acme/tools', key: packed.record.inputs?.key }],
      names: [{ path: bound.stdout.trim(), origin: 'github.com/acme/tools', proof: 'inputs' }],
    },
  ]);
});

test('bind without a sidecar for these inputs ends with 66', async () => {
  const { machine } = await world();
  expect(await machine.cli('bind')).toMatchObject({
    exitCode: 66,
    stderr: expect.stringMatching(/\n {2}try: claude-bottle fetch\n$/),
  });
});

test('--prove passes where layers and runtime config are those that were packed, and else ends with 76', async () => {
  const { machine, packed } = await world();
  const proven = await machine.cli('fetch', '--from', `file:${packed.path}`, '--prove', '--json');
  expect(JSON.parse(proven.stdout), proven.stderr).toMatchObject({ bound: { proof: 'content' } });
  const other = { ...packed.record, image: { ...packed.record.image, runtimeConfigSha256: '0'.repeat(64) } };
  await fs.writeFile(`${packed.path}.json`, formatRecord(other));
  await fs.rm(machine.store, { recursive: true, force: true });
  expect(await machine.cli('fetch', '--from', `file:${packed.path}`, '--prove')).toMatchObject({
    exitCode: 76,
    stderr: expect.stringMatching(/not proven: the local image has other content/),
  });
});

test('a sidecar that claude-bottle has packed itself stays', async () => {
  const other = await world();
  const { machine, packed } = await world();
  const path = (await machine.check()).path.replace('miss: ', '');
  await fs.copyFile(other.packed.path, path);
  const result = await machine.cli('fetch', '--from', `file:${packed.path}`, '--json');
  expect(JSON.parse(result.stdout), result.stderr).toMatchObject({
    nextStart: 'hit',
    bound: { outcome: 'kept' },
  });
  expect(await fs.readFile(path)).toEqual(await fs.readFile(other.packed.path));
});

test('a half-written sidecar under the name goes to quarantine', async () => {
  const { machine, packed } = await world();
  const path = (await machine.check()).path.replace('miss: ', '');
  await fs.writeFile(path, (await fs.readFile(packed.path)).subarray(0, 1000));
  const result = await machine.cli('fetch', '--from', `file:${packed.path}`, '--json');
  expect(JSON.parse(result.stdout), result.stderr).toMatchObject({ bound: { outcome: 'bound', path } });
  expect(result.stderr).toMatch(/damaged sidecar.*moved to .*quarantine/);
  expect(await fs.readFile(path)).toEqual(await fs.readFile(packed.path));
});

test('without a Docker engine the sidecar is stored, and the command says why it is not bound', async () => {
  const { machine, packed } = await world();
  const result = await runCli(
    ['fetch', '--context', machine.checkout.dir, '--from', `file:${packed.path}`, '--store', machine.store],
    { DOCKER_HOST: 'unix:///nonexistent.sock' },
  );
  expect(result).toMatchObject({
    exitCode: 69,
    // At once, and again with what to do now.
    stderr: expect.stringMatching(
      /warning: cannot reach the Docker daemon[\s\S]*error: downloaded and verified, but not linked: cannot reach [\s\S]*\n {2}try: start Docker, then run claude-bottle bind\n$/,
    ),
  });
  expect(await machine.cli('path')).toMatchObject({ exitCode: 0 });
  expect(await machine.cli('bind')).toMatchObject({ exitCode: 0 });
});

describe.skipIf(imageStore === 'classic' || !hasBuildx)('with the containerd image store', () => {
  test('an image ID that every build changes ends with 78, and with what to do', async () => {
    const { machine, packed } = await world(undefined, { BUILDX_NO_DEFAULT_ATTESTATIONS: undefined });
    const result = await machine.cli('fetch', '--from', `file:${packed.path}`);
    expect(result.exitCode, result.stderr).toBe(78);
    expect(result.stderr).toMatch(
      /gives every build of .* another image ID.*\n {2}try: export BUILDX_NO_DEFAULT/,
    );
    expect(await machine.check()).toMatchObject({ hit: false });
  });

  test('exec sets what is needed', async () => {
    const { machine, packed } = await world(undefined, { BUILDX_NO_DEFAULT_ATTESTATIONS: undefined });
    const result = await machine.cli(
      'exec',
      '--from',
      `file:${packed.path}`,
      '--',
      'python3',
      CHECK,
      machine.checkout.dir,
    );
    expect(result, result.stderr).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(machine.store),
    });
  });
});

test('exec runs the command with a sidecar that it finds, and ends as it ends', async () => {
  const { machine, packed } = await world();
  const args = [
    'exec',
    '--from',
    `file:${packed.path}`,
    '--context',
    machine.checkout.dir,
    '--store',
    machine.store,
  ];
  const env = { CLAUDE_BOTTLE_IMAGE: machine.image, BUILDX_NO_DEFAULT_ATTESTATIONS: undefined };
  const result = await runCli(
    [...args, '--', 'sh', '-c', 'echo "$BUILDX_NO_DEFAULT_ATTESTATIONS $0"; exit 7', 'x'],
    env,
  );
  expect(result, result.stderr).toMatchObject({ exitCode: 7, stdout: '1 x\n' });
  expect(await machine.check({ BUILDX_NO_DEFAULT_ATTESTATIONS: '1' })).toMatchObject({ hit: true });
  expect(await runCli([...args, '--', 'true'], env), 'a hit is silent').toMatchObject({
    exitCode: 0,
    stdout: '',
    stderr: '',
  });
  expect(await runCli([...args, '--', '/no/such/command'], env)).toMatchObject({
    exitCode: 66,
    stderr: expect.stringMatching(/cannot run "\/no\/such\/command"/),
  });
});

test('exec runs the command also when nothing is published, and not when what is published is damaged', async () => {
  const { machine, packed } = await world();
  const args = ['exec', '--context', machine.checkout.dir, '--store', machine.store];
  const env = { CLAUDE_BOTTLE_IMAGE: machine.image, BUILDX_NO_DEFAULT_ATTESTATIONS: undefined };
  const missing = await runCli([...args, '--from', 'file:/no/such/file', '--', 'echo', 'runs'], env);
  expect(missing).toMatchObject({ exitCode: 0, stdout: 'runs\n' });
  expect(missing.stderr).toMatch(/going on without a prebuilt sidecar/);
  await fs.truncate(packed.path, 1000);
  const damaged = await runCli([...args, '--from', `file:${packed.path}`, '--', 'echo', 'runs'], env);
  expect(damaged).toMatchObject({ exitCode: 65, stdout: '' });
});

test('every example of the help runs', async () => {
  const github = await startGitHub();
  onTestFinished(() => github.close());
  const { machine, packed } = await world(undefined, github.env);
  const { dir } = machine.checkout;
  const registry = await startDockerRegistry();
  await publishSidecars(
    `${registry.host}/owner/repo/smolmachine`,
    [`k-${packed.record.inputs?.key.slice(0, 32)}`],
    [{ path: packed.path, platform: PLATFORM, record: JSON.stringify(packed.record) }],
  );
  github.addRepository('acme/tools').addRelease('v1', {
    [packed.name]: await fs.readFile(packed.path),
    [`${packed.name}.json`]: formatRecord(packed.record),
  });
  for (const name of ['agent.smolmachine', 'old.smolmachine']) {
    await fs.copyFile(packed.path, join(dir, name));
    await fs.copyFile(`${packed.path}.json`, join(dir, `${name}.json`));
  }
  const bin = await tempDir();
  const main = join(import.meta.dirname, '../../dist/cli.mjs');
  await fs.writeFile(join(bin, 'claude-bottle'), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`, {
    mode: 0o755,
  });
  await fs.writeFile(join(bin, 'claude'), '#!/bin/sh\necho 1.0.0\n', { mode: 0o755 });
  await fs.writeFile(join(dir, 'cli.py'), '#!/bin/sh\n', { mode: 0o755 });
  const stick = await tempDir();
  const lines = (await helpOfAll()).flatMap(examplesIn);
  expect(lines.length).toBeGreaterThan(15);
  // A lock file has to be there before it is used, and the double needs no KVM.
  const script = ['claude-bottle lock', ...lines].map((line) =>
    line
      .replace('localhost:5000', registry.host.replace('127.0.0.1', 'localhost'))
      .replace('/media/stick', stick)
      .replace('c21df6b3f234', '$(docker image inspect --format {{.Id}} "$CLAUDE_BOTTLE_IMAGE" | cut -c8-19)')
      .replace('claude-bottle pack', 'claude-bottle pack --no-kvm-check'),
  );
  for (const line of script) {
    const done = await run('bash', ['-c', line], {
      cwd: dir,
      env: {
        ...process.env,
        ...github.env,
        HOME: dirname(dirname(dirname(machine.store))),
        CLAUDE_BOTTLE_IMAGE: machine.image,
        BUILDX_NO_DEFAULT_ATTESTATIONS: '1',
        PATH: [bin, DOUBLE_DIR, process.env.PATH].join(delimiter),
      },
    }).catch((error) => error);
    expect(done.code ?? 0, `${line}: ${done.stderr}`).toBe(0);
  }
}, 300_000);

async function helpOfAll(): Promise<string[]> {
  const { stdout } = await runCli(['--help']);
  const commands = [...stdout.matchAll(/^ {2}([a-z]+) {2,}\S/gm)];
  return await Promise.all(commands.map(async ([, name = '']) => (await runCli([name, '--help'])).stdout));
}

/** The commands under "Examples:", each of which has its meaning on the line above. */
function examplesIn(help: string): string[] {
  const [, examples = ''] = help.split('\nExamples:\n');
  return [...examples.matchAll(/^ {2}# .*\n {2}(\S.*)$/gm)].map(([, line = '']) => line);
}
