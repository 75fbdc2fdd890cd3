import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { EXPIRED_SIGNATURE, type Fault } from '../doubles/results-service/fault.ts';
import type { ResultsService, ServiceRequest } from '../doubles/results-service/service.ts';
import { findMarker, watchArgv } from '../doubles/runner/marker.ts';
import type { StepOptions, StepResult } from '../doubles/runner/runner.ts';
import { type ActionJob, actionJob } from '../helpers/action-job.ts';
import { DOUBLE_DIR } from '../helpers/cli.ts';
import { LACKS_REGISTRY } from '../helpers/docker-registry.ts';
import { fakeDocker } from '../helpers/fake-docker.ts';
import { startPublishBed } from './publish-bed.ts';

const NOWHERE = {
  log: 0,
  rawLog: 0,
  annotations: 0,
  summary: 0,
  outputs: [],
  state: [],
  exportedEnv: [],
};

/** A docker that can build with secrets, which not every one can that is on PATH. */
let docker: string;

beforeAll(async () => {
  const script =
    'for each in $(which -a docker); do DOCKER_BUILDKIT=1 "$each" build --help | grep -q -e --secret && echo "$each"; done; true';
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', script]);
  docker = stdout.split('\n')[0] ?? '';
  expect(docker).not.toBe('');
});

interface SecretJob extends ActionJob {
  /** Texts that nobody may see, by what they are. */
  readonly markers: Readonly<Record<string, string>>;
  pack(options?: Partial<StepOptions>): Promise<StepResult>;
  /** Environment and arguments of every call of docker and smolvm, one line each, after the name of the command. */
  children(): Promise<string[]>;
}

/** A job with secrets of its own, and how it is run. */
interface OwnSecrets extends ActionJob {
  readonly markers: Readonly<Record<string, string>>;
}

async function packingJob(dockerfile: string): Promise<OwnSecrets> {
  return { ...(await actionJob({ dockerfile })), markers: { 'github-token': `ghs_${randomUUID()}` } };
}

/** Also those that it gets on its way: both are JSON web tokens, which begin with what their headers begin with. */
async function publishingJob(dockerfile: string): Promise<OwnSecrets> {
  const { publish, ...job } = await (await startPublishBed()).job({ dockerfile });
  const jsonWebTokens = { 'OIDC token': 'eyJhbGciOiJFUzI1NiIs', 'registry token': 'eyJ0eXAiOiJKV1QiLCJ' };
  return { ...job, run: publish, markers: { ...job.markers, ...jsonWebTokens } };
}

/** A job in which everything that is secret is known; the build is given its secrets and does `command`. */
async function secretJob(command: string, makeJob = packingJob): Promise<SecretJob> {
  const dockerfile = [
    'FROM scratch',
    'COPY bin /bin',
    'ARG NOW',
    `RUN --mount=type=secret,id=token --mount=type=secret,id=key ["/bin/sh", "-c", "${command}"]`,
    'ENTRYPOINT ["/bin/sh"]',
  ];
  const job = await makeJob(`${dockerfile.join('\n')}\n`);
  const marker = (name: string) => `${name}-${randomUUID()}`;
  const markers = {
    ...job.markers,
    'one line': marker('one'),
    'first of several lines': marker('first'),
    'last of several lines': marker('last'),
    'runtime token': job.results.runtimeToken,
  };
  const log = join(job.dir, 'children');
  await fs.writeFile(log, '');
  const note = `{ tr '\\0' '\\n' < /proc/$$/environ | sed "s/^/$NAME /"; echo "$NAME argv $*"; } >> '${log}'`;
  const { env } = await fakeDocker(
    job.dir,
    '*',
    `NAME="docker-$1"; ${note}; case "$1" in build) export DOCKER_BUILDKIT=1; exec '${docker}' "$@" ;; *) exec docker "$@" ;; esac`,
  );
  const smolvm = join(job.dir, 'smolvm');
  await fs.writeFile(smolvm, `#!/bin/sh\nNAME="smolvm-$1"; ${note}\nexec '${DOUBLE_DIR}/smolvm' "$@"\n`, {
    mode: 0o755,
  });
  const secrets = [
    `token=${markers['one line']}`,
    `"key=${markers['first of several lines']}\n\n${markers['last of several lines']}\n"`,
  ];
  return {
    ...job,
    markers,
    pack: async (options = {}) =>
      await job.run({
        ...options,
        inputs: {
          'build-args': `NOW=${job.dir}`,
          'github-token': job.markers['github-token'] ?? '',
          'smolvm-path': smolvm,
          secrets: secrets.join('\n'),
          ...options.inputs,
        },
        env: { ...env, ...options.env },
      }),
    children: async () => (await fs.readFile(log, 'utf8')).split('\n'),
  };
}

/** Calls `onSignature` with each signature that the service gives away, as it is and as it stands in the URL. */
function collectSignatures(onSignature: (signature: string) => void): ResultsService['fault'] {
  return ({ service }: ServiceRequest): Fault | undefined =>
    service === 'blob'
      ? undefined
      : {
          kind: 'transform',
          answer: (answer) => {
            for (const url of [answer.signed_upload_url, answer.signed_download_url]) {
              const encoded = /[?&]sig=([^&]+)/.exec(String(url))?.[1];
              if (encoded !== undefined) {
                onSignature(encoded);
                onSignature(decodeURIComponent(encoded));
              }
            }
            return answer;
          },
        };
}

/** A marker's places without the orders to mask it. */
function placesOf(result: StepResult, marker: string) {
  const { maskCommands: _, ...places } = findMarker(result, marker);
  return places;
}

async function expectNotInherited(job: SecretJob): Promise<void> {
  const lines = await job.children();
  expect(lines).toContain(`docker-build CLAUDE_BOTTLE_PACK_SECRET_0=${job.markers['one line']}`);
  // Of the step after the job, too.
  expect(lines).toContainEqual(expect.stringMatching(/^docker-container argv /));
  expect(lines.filter((line) => /^\S+ (INPUT|ACTIONS)_/.test(line))).toEqual([]);
  for (const [what, marker] of Object.entries(job.markers)) {
    const found = lines.filter((line) => line.includes(marker));
    // The build, and nothing else, has to have its secrets.
    const allowed = found.filter((line) => /^docker-build (CLAUDE_BOTTLE_PACK_SECRET_\d=)?\S+$/.test(line));
    expect(found, what).toEqual(what.includes('line') ? allowed : []);
  }
}

async function expectNotOnDisk(job: SecretJob): Promise<void> {
  for (const [what, marker] of Object.entries(job.markers)) {
    for (const file of await fs.readdir(job.dir, { recursive: true, withFileTypes: true })) {
      const path = join(file.parentPath, file.name);
      if (file.isFile() && path !== join(job.dir, 'children')) {
        expect((await fs.readFile(path)).includes(marker), `${what} in ${path}`).toBe(false);
      }
    }
  }
}

describe('secrets', () => {
  test('are shown nowhere when all goes well', async () => {
    const job = await secretJob('/bin/busybox test -s /run/secrets/token -a -s /run/secrets/key');
    const signatures = new Set<string>();
    job.results.fault = collectSignatures((signature) => signatures.add(signature));
    const watches = Object.values(job.markers).map(watchArgv);
    const result = await job.pack();
    expect(
      watches.flatMap((stop) => stop()),
      'command lines',
    ).toEqual([]);
    expect(result.outcome, result.log).toBe('success');
    expect(signatures.size).toBeGreaterThanOrEqual(6);
    for (const [what, marker] of [
      ...Object.entries(job.markers),
      ...[...signatures].map((s) => ['sig', s]),
    ]) {
      expect(placesOf(result, marker ?? ''), what).toEqual(NOWHERE);
    }
    await expectNotInherited(job);
    await expectNotOnDisk(job);
  });

  test.skipIf(LACKS_REGISTRY)('of a job that publishes and signs are shown nowhere', async () => {
    const job = await secretJob('/bin/busybox test -s /run/secrets/token', publishingJob);
    const watches = Object.values(job.markers).map(watchArgv);
    const result = await job.pack({ env: { RUNNER_DEBUG: '1' } });
    expect(
      watches.flatMap((stop) => stop()),
      'command lines',
    ).toEqual([]);
    expect(result.outcome, result.log).toBe('success');
    expect(result.outputs).toMatchObject({ 'oci-digest': expect.stringMatching(/^sha256:/) });
    expect(result.outputs['bundle-path']).not.toBe('');
    for (const [what, marker] of Object.entries(job.markers)) {
      expect(placesOf(result, marker), what).toEqual(NOWHERE);
    }
    await expectNotInherited(job);
    await expectNotOnDisk(job);
  });

  test('that a build prints are masked line by line', async () => {
    const job = await secretJob('/bin/busybox cat /run/secrets/token /run/secrets/key');
    const result = await job.pack({ inputs: { upload: 'false' } });
    expect(result.outcome, result.log).toBe('success');
    for (const [what, marker] of Object.entries(job.markers)) {
      expect({ ...placesOf(result, marker), rawLog: 0 }, what).toEqual(NOWHERE);
    }
    expect(placesOf(result, job.markers['one line'] ?? '').rawLog).toBeGreaterThan(0);
    await expectNotOnDisk(job);
  });

  test('that a failing build prints are masked in what is told of it', async () => {
    const job = await secretJob('/bin/busybox cat /run/secrets/token /run/secrets/key; exit 3');
    const result = await job.pack();
    expect(result.outcome).toBe('failure');
    expect(result.outputs).toEqual({ 'error-code': 'build-failed' });
    for (const [what, marker] of Object.entries(job.markers)) {
      expect({ ...placesOf(result, marker), rawLog: 0 }, what).toEqual(NOWHERE);
    }
    await expectNotInherited(job);
    await expectNotOnDisk(job);
    expect(await job.left()).toEqual([]);
  });

  test.each([
    ['and their signatures are shown nowhere when the upload fails', {}],
    ['are masked in the debug log too', { RUNNER_DEBUG: '1' }],
  ])('%s', async (_, env: Record<string, string>) => {
    const job = await secretJob('/bin/busybox true');
    const signatures = new Set<string>();
    const collect = collectSignatures((signature) => signatures.add(signature));
    job.results.fault = (request) =>
      request.service === 'blob' && request.subject?.startsWith('smolmachine-')
        ? EXPIRED_SIGNATURE
        : collect?.(request);
    const result = await job.pack({ env });
    expect(result.outputs).toEqual({ 'error-code': 'upload-failed' });
    expect(signatures.size).toBeGreaterThanOrEqual(6);
    for (const [what, marker] of [
      ...Object.entries(job.markers),
      ...[...signatures].map((s) => ['sig', s]),
    ]) {
      const places = placesOf(result, marker ?? '');
      expect(env.RUNNER_DEBUG ? { ...places, rawLog: 0 } : places, what).toEqual(NOWHERE);
    }
    await expectNotInherited(job);
    await expectNotOnDisk(job);
  });

  test.each<[string, (job: SecretJob) => Record<string, string>]>([
    ['github-token', ({ markers }) => ({ 'github-token': `Bearer ${markers['github-token']}` })],
    ['secrets', ({ markers }) => ({ secrets: `a secret: ${markers['one line']}` })],
  ])('in a wrong %s are not repeated in the error', async (name, inputs) => {
    const job = await secretJob('');
    const result = await job.pack({ inputs: inputs(job) });
    expect(result.outputs).toEqual({ 'error-code': 'usage' });
    expect(result.annotations.map(({ message }) => message).join()).toContain(name);
    for (const [what, marker] of Object.entries(job.markers)) {
      expect(placesOf(result, marker), what).toEqual(NOWHERE);
    }
  });
});
