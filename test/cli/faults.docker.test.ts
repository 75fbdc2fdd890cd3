import * as fs from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { inspectImage } from '../../src/docker/image.ts';
import { packImage } from '../../src/pack/pack.ts';
import { findSmolvm } from '../../src/pack/smolvm.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { type Bench, bench } from '../helpers/bench.ts';
import { type CliResult, DOUBLE_DIR } from '../helpers/cli.ts';
import { failureOf } from '../helpers/failure.ts';
import { type FakeDocker, fakeDocker } from '../helpers/fake-docker.ts';
import { waitUntil } from '../helpers/leftovers.ts';
import { buildBrokenRegistryImage, buildRegistryImage } from '../helpers/registry-image.ts';
import { buildSmallImage, busyboxContext, run } from '../helpers/small-image.ts';

const IMAGE = 'claude-bottle-test/small:1';
const PACK_SMALL = ['--no-build', '--image', IMAGE];
let imageId: string;
let throughContainer: string[];

beforeAll(async () => {
  const dir = await fs.mkdtemp('/tmp/claude-bottle-test-');
  imageId = await buildSmallImage(dir, IMAGE);
  await fs.rm(dir, { recursive: true });
  throughContainer = [...PACK_SMALL, '--hop', 'container', '--registry-image', await buildRegistryImage()];
});

async function sidecarsIn({ store }: Bench): Promise<string[]> {
  return (await fs.readdir(store)).filter((name) => name !== '.pack');
}

/** A failure told in one line with a hint, without a stack trace, and nothing left of the run. */
async function expectFailure(room: Bench, result: CliResult, exitCode: number, message: string | RegExp) {
  expect(result.stderr).toMatch(message);
  expect(result.exitCode, result.stderr).toBe(exitCode);
  expect(result.stderr).toMatch(/^ {2}try: /m);
  expect(result.stderr).not.toMatch(/\n\s+at |a bug/);
  expect(await sidecarsIn(room).catch(() => [])).toEqual([]);
  expect(await room.left()).toEqual([]);
}

describe('a build', () => {
  test('of 200 MB of output and terminal codes stays small and passes no code on', async () => {
    const room = await bench();
    const context = await busyboxContext(
      room.dir,
      String.raw`FROM scratch
COPY bin /bin
ARG NOW
RUN ["/bin/sh", "-c", "busybox yes $(busybox printf %0999d 7) | busybox head -c 200000000; busybox printf '::set-output name=path::/evil\\n\\033[2J\\033]0;title\\007 end of it\\n'; exit 3"]
`,
    );
    const args = ['--context', context, '--image', 'claude-bottle-test/loud:1'];
    const started = room.startPack([...args, '--build-arg', `NOW=${room.dir}`]);
    let peakKib = 0;
    const polling = setInterval(async () => {
      const status = await fs.readFile(`/proc/${started.process.pid}/status`, 'utf8').catch(() => '');
      peakKib = Math.max(peakKib, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    }, 50);
    const result = await started.ended.finally(() => clearInterval(polling));
    await expectFailure(room, result, 1, 'docker build failed at step 4/4');
    expect(result.stderr).toContain('|  end of it');
    expect(result.stderr).not.toMatch(/[^\P{Cc}\n\t]/u);
    expect(result.stderr).not.toMatch(/^\s*::/m);
    expect(result.stderr.length).toBeLessThan(50_000);
    expect(peakKib).toBeGreaterThan(0);
    expect(peakKib).toBeLessThan(250 * 1024);
  });

  test.each([
    ['an ID of another form', `docker "$@" | sed 's/"Id": "sha256:.*"/"Id": "sha256:c0ffee"/'`],
    ['a warning only', 'echo deprecated'],
    ['nothing', 'true'],
    ['no image', 'echo []'],
  ])('whose image inspect answers %s is an error of Docker', async (_what, script) => {
    const room = await bench();
    const fake = await fakeDocker(room.dir, "'image inspect'*", script);
    await expectFailure(room, await room.pack(PACK_SMALL, fake.env), 1, 'gave an unexpected answer');
  });
});

test('an export that breaks off is an error of Docker, with what it says', async () => {
  const room = await bench();
  const breaks = 'docker "$@" | head -c 100000\necho boom >&2\nexit 1';
  const fake = await fakeDocker(room.dir, "'container export'*", breaks);
  const result = await room.pack(PACK_SMALL, fake.env);
  await expectFailure(room, result, 1, /docker container export failed \(exit code 1\)\n {2}\| boom/);
});

describe('a build secret', () => {
  const SECRET = 'cb-secret-5d1c7f';
  const DOCKERFILE = `FROM scratch
COPY bin /bin
ARG NOW
RUN --mount=type=secret,id=token ["/bin/sh", "-c", "busybox sha256sum < /run/secrets/token > /seen"]
`;

  async function packWithSecret(room: Bench, env: NodeJS.ProcessEnv): Promise<CliResult> {
    const context = await busyboxContext(room.dir, DOCKERFILE);
    const file = join(room.dir, 'token');
    await fs.writeFile(file, SECRET);
    const args = ['--context', context, '--image', 'claude-bottle-test/secret:1', '--json'];
    const more = ['--build-arg', `NOW=${room.dir}`, '--secret', `id=token,src=${file}`];
    return await room.pack([...args, ...more], env);
  }

  test('reaches the step that mounts it, and neither the image nor our output', async ({ skip }) => {
    const docker = await clientWithBuildKit();
    skip(docker === undefined, 'no docker client with BuildKit');
    const room = await bench();
    const bin = join(room.dir, 'buildkit');
    await fs.mkdir(bin);
    await fs.symlink(docker as string, join(bin, 'docker'));
    const result = await packWithSecret(room, {
      PATH: `${bin}:${DOUBLE_DIR}:${process.env.PATH}`,
      DOCKER_BUILDKIT: '1',
    });
    expect(result.exitCode, result.stderr).toBe(0);
    const { imageId: built, path } = JSON.parse(result.stdout);
    const saved = join(room.dir, 'saved');
    await fs.mkdir(saved);
    await run('sh', ['-c', 'docker image save "$1" | tar -x -C "$2"', 'sh', built, saved]);
    await run('sh', [
      '-c',
      'cd "$1" && for layer in $(find . -name "*.tar"); do tar -xf $layer; done',
      'sh',
      saved,
    ]);
    const { stdout: expected } = await run('sh', ['-c', 'printf %s "$1" | sha256sum', 'sh', SECRET]);
    expect(await fs.readFile(join(saved, 'seen'), 'utf8')).toBe(expected);
    // grep ends with 1 when it finds nothing.
    await expect(run('grep', ['-r', '-l', SECRET, saved, room.store])).rejects.toMatchObject({ code: 1 });
    const { stdout: history } = await run('docker', ['image', 'history', '--no-trunc', built]);
    expect(history + result.stdout + result.stderr + JSON.stringify(await verifySidecar(path))).not.toContain(
      SECRET,
    );
    expect(await room.left()).toEqual([]);
  });

  test('without BuildKit is refused with the way to get it', async () => {
    const room = await bench();
    const result = await packWithSecret(room, { DOCKER_BUILDKIT: '0' });
    await expectFailure(
      room,
      result,
      1,
      /try: install the buildx component .*, because this build needs BuildKit/,
    );
    expect(result.stderr).not.toContain(SECRET);
  });
});

async function clientWithBuildKit(): Promise<string | undefined> {
  for (const client of ['docker', '/usr/bin/docker']) {
    const help = await run(client, ['build', '--help'], {
      env: { ...process.env, DOCKER_BUILDKIT: '1' },
    }).catch(() => ({ stdout: '' }));
    if (help.stdout.includes('--secret')) {
      return (await run('which', [client])).stdout.trim();
    }
  }
  return undefined;
}

const PORT_QUESTION = "'container inspect'*NetworkSettings*";
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const KILL_REGISTRY = `port=\${3#localhost:}; docker container kill $(docker container ls -q --filter publish=\${port%%/*}) >&2`;

/** A server that stands before the registry; `spoil` answers a request with a status, or lets it pass. */
async function proxiedRegistry(
  room: Bench,
  spoil: (method: string, registryPort: number) => Promise<number | undefined>,
): Promise<FakeDocker> {
  const registry = join(room.dir, 'registry');
  const server = createServer(async (incoming, outgoing) => {
    const [{ HostPort: port }] = JSON.parse(await fs.readFile(registry, 'utf8'));
    const { method, url, headers } = incoming;
    const status = await spoil(method ?? '', Number(port));
    if (status !== undefined) {
      incoming.resume();
      outgoing.writeHead(status).end();
      return;
    }
    const passedOn = request({ host: '127.0.0.1', port, method, path: url, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    passedOn.on('error', () => outgoing.destroy());
    incoming.pipe(passedOn);
  });
  const port = await listen(server);
  const answer = JSON.stringify([{ HostIp: '127.0.0.1', HostPort: String(port) }]);
  return await fakeDocker(room.dir, PORT_QUESTION, `docker "$@" > '${registry}'\necho '${answer}'`);
}

async function listen(server: ReturnType<typeof createServer>): Promise<number> {
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

describe('a registry container', () => {
  test('that is published for everyone gets no push', async () => {
    const room = await bench();
    const fake = await fakeDocker(room.dir, PORT_QUESTION, `echo '[{"HostIp":"0.0.0.0","HostPort":"5000"}]'`);
    const result = await room.pack(throughContainer, fake.env);
    await expectFailure(room, result, 1, /published as .*0\.0\.0\.0.*not on 127\.0\.0\.1/);
    expect((await fake.calls()).filter((call) => call.startsWith('image push'))).toEqual([]);
  });

  test('on whose port something else answers gets no push', async () => {
    const room = await bench();
    const server = createServer((_request, response) => response.end('hello'));
    const port = await listen(server);
    const answer = `echo '[{"HostIp":"127.0.0.1","HostPort":"${port}"}]'`;
    const fake = await fakeDocker(room.dir, PORT_QUESTION, answer);
    const result = await room.pack(throughContainer, fake.env);
    await expectFailure(room, result, 1, `does not answer as a registry on port ${port}`);
    expect((await fake.calls()).filter((call) => call.startsWith('image push'))).toEqual([]);
  });

  test.each([
    ['before the push', `${KILL_REGISTRY}\nexec docker "$@"`, /docker push .* failed.*connection refused/s],
    ['after the push', `docker "$@" && { ${KILL_REGISTRY}; }`, 'the registry stopped answering'],
  ])('that dies %s ends the run with an error', async (_when, script, message) => {
    const room = await bench();
    const fake = await fakeDocker(room.dir, "'image push'*", script);
    await expectFailure(room, await room.pack(throughContainer, fake.env), 1, message);
  });

  // docker tries each layer five times in 50 seconds and our probe waits 30: all at once.
  test('that fails for long ends the run with an error, one that recovers does not', async () => {
    const rooms: Bench[] = [];
    for (let index = 0; index < 5; index += 1) {
      rooms.push(await bench());
    }
    const [silent, dies, refuses, recovers, full] = rooms as [Bench, Bench, Bench, Bench, Bench];
    const sleeps = await buildBrokenRegistryImage('sleeps');
    const killed = await proxiedRegistry(dies, async (method, port) => {
      if (method === 'PATCH') {
        await run('sh', ['-c', `docker kill $(docker ps -q --filter publish=${port})`]).catch(() => {});
      }
      return undefined;
    });
    const unavailable = await proxiedRegistry(refuses, async (method) =>
      method === 'POST' ? 503 : undefined,
    );
    let refusals = 0;
    const busy = await proxiedRegistry(recovers, async (method) =>
      method === 'POST' && ++refusals <= 2 ? 503 : undefined,
    );
    const tiny = 'shift 2\nexec docker container run --tmpfs /var/lib/registry:size=64k "$@"';
    const noSpace = await fakeDocker(full.dir, "'container run'*", tiny);

    const results = await Promise.all([
      silent.pack([...PACK_SMALL, '--hop', 'container', '--registry-image', sleeps]),
      dies.pack(throughContainer, killed.env),
      refuses.pack(throughContainer, unavailable.env),
      recovers.pack(throughContainer, busy.env),
      full.pack(throughContainer, noSpace.env),
    ]);
    await expectFailure(silent, results[0], 1, 'did not answer on port');
    expect(results[0].stderr).toContain('within 30 s');
    await expectFailure(dies, results[1], 1, /docker push .* failed/);
    await expectFailure(refuses, results[2], 1, /docker push .* failed.*503 Service Unavailable/s);
    await expectFailure(full, results[4], 1, /docker push .* failed.*no space left.*try: free disk space/s);
    // The heartbeat says so while it lasts; among the reasons of the error it is nothing.
    expect(results.map((result) => result.stderr).join()).not.toMatch(/^ {2}\| .*Retrying in/m);
    expect(results[3].exitCode, results[3].stderr).toBe(0);
    expect(refusals).toBeGreaterThan(2);
    expect(await recovers.left()).toEqual([]);
  });

  test('in which someone moves the tag after the push still gives our image', async () => {
    const room = await bench();
    const index = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] });
    const overwrite = `tag=\${3##*:}; at=\${3%/*}
docker "$@" && curl --fail --silent --show-error --request PUT --header 'Content-Type: ${OCI_INDEX}' --data '${index}' "http://$at/v2/claude-bottle/manifests/$tag"`;
    const fake = await fakeDocker(room.dir, "'image push'*", overwrite);
    const result = await room.pack([...throughContainer, '--json'], fake.env);
    expect(result.exitCode, result.stderr).toBe(0);
    const { path, record } = JSON.parse(result.stdout);
    expect(record.image.id).toBe(imageId);
    expect((await verifySidecar(path)).manifest.digest).toBe(record.flattened.configDigest);
    expect(await room.left()).toEqual([]);
  });

  test('that cannot be removed costs 5 seconds and a warning, and the next run removes it', async () => {
    const room = await bench();
    const once = `[ -e '${room.dir}/hung' ] || { touch '${room.dir}/hung'; sleep 600; }\nexec docker "$@"`;
    const fake = await fakeDocker(room.dir, "'container rm'*cbp-registry-*", once);
    const result = await room.pack(throughContainer, fake.env);
    expect(result.exitCode, result.stderr).toBe(0);
    expect(result.stderr).toMatch(/warning: left behind, the next run tries again: .*longer than 5 s/);
    expect(await sidecarsIn(room)).toHaveLength(1);
    expect(await room.left()).toEqual([
      expect.stringMatching(/^container cbp-registry-/),
      expect.stringMatching(/^network cbp-registry-/),
      expect.stringMatching(/^volume /),
    ]);
    const next = await room.pack([...throughContainer, '--force']);
    expect(next.exitCode, next.stderr).toBe(0);
    expect(next.stderr).toMatch(/warning: removed the container .* that an earlier run had left/);
    expect(await room.left()).toEqual([]);
  });
});

test('a smolvm that hangs is ended when its time is over', async () => {
  const room = await bench();
  vi.stubEnv('TMPDIR', room.tmp);
  vi.stubEnv('SMOLVM_DOUBLE_FAULT', 'hang');
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  await fs.mkdir(room.store);
  const image = await inspectImage(IMAGE);
  const packing = packImage({
    image,
    platform: 'linux/amd64',
    hop: { kind: 'embedded' },
    smolvm: await findSmolvm(join(DOUBLE_DIR, 'smolvm')),
    timeoutMs: 3000,
    outDir: room.store,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  const failure = failureOf(packing);
  const isPacking = async () => (await room.left()).some((line) => line.includes('_boot-vm'));
  await waitUntil(isPacking, 'a builder VM');
  expect(await failure).toMatchObject({
    code: 'timed-out',
    message: expect.stringContaining('longer than 3 s'),
  });
  expect(await room.left()).toEqual([]);
});

describe.skipIf(process.getuid?.() !== 0)('a full disk (mounting one needs root)', () => {
  async function mountSmall(dir: string, options: string): Promise<void> {
    await fs.mkdir(dir, { recursive: true });
    await run('mount', ['-t', 'tmpfs', '-o', `mode=700,${options}`, 'tmpfs', dir]);
    onTestFinished(async () => {
      await run('umount', [dir]);
    });
  }

  test.each([
    ['tmp', 'size=1m', /needed in .*tmp.* for /],
    ['store', 'size=1m', /needed in .*store.* for the sidecar/],
    ['tmp', 'size=200m,nr_inodes=1', /cannot make a working directory in .*tmp: no space left/],
    ['tmp', 'size=200m,nr_inodes=2', /cannot make a working directory in .*tmp: no space left/],
    ['tmp', 'size=200m,nr_inodes=3', /no inodes left in .*tmp.* for the flattened image/],
    ['tmp', 'size=200m,nr_inodes=4', /no inodes left in .*tmp.* for smolvm pack create/],
    ['tmp', 'size=200m,nr_inodes=6', /cannot make the directories for smolvm in .*: no space left/],
    ['tmp', 'size=200m,nr_inodes=7', /cannot note a process in .*: no space left/],
    ['store', 'size=200m,nr_inodes=1', /cannot make the store .*: no space left/],
    ['store', 'size=200m,nr_inodes=7', /cannot make the store .*: no space left/],
    ['store', 'size=200m,nr_inodes=11', /cannot make a working directory in .*store.*: no space left/],
  ] as const)('%s with %s ends the run before it wastes time', async (place, options, message) => {
    const room = await bench();
    await mountSmall(room[place], options);
    await expectFailure(room, await room.pack(PACK_SMALL), 73, message);
  });

  test('tmp that fills while the image is flattened ends the run', async () => {
    const room = await bench();
    await mountSmall(room.tmp, 'size=100m');
    const fill = `cat /dev/zero > '${room.tmp}/fill'\nexec docker "$@"`;
    const fake = await fakeDocker(room.dir, "'container export'*", fill);
    const result = await room.pack(PACK_SMALL, fake.env);
    await fs.rm(join(room.tmp, 'fill'));
    await expectFailure(room, result, 73, /cannot write the image's layer to .*: no space left/);
  });

  test('store that fills while smolvm packs ends the run', async () => {
    const room = await bench();
    await mountSmall(room.store, 'size=100m');
    const fill = `docker "$@" && { cat /dev/zero > '${room.store}/fill'; true; }`;
    const fake = await fakeDocker(room.dir, "'image push'*", fill);
    const result = await room.pack(throughContainer, fake.env);
    await fs.rm(join(room.store, 'fill'));
    await expectFailure(room, result, 1, /try: free some disk space/);
  });
});
