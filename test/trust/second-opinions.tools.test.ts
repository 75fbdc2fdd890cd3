import { execFile } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import type { GuestPlatform } from '../../src/identity/platform.ts';
import { formatRecord } from '../../src/sidecar/file.ts';
import { SigstoreDouble } from '../doubles/sigstore/sigstore.ts';
import { runCli } from '../helpers/cli.ts';
import { isOnPath } from '../helpers/docker-registry.ts';
import { sampleSidecar } from '../helpers/oci-publish.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { attest, RUN } from './attested.ts';
import { RECORD } from './signed.ts';

const ISSUER = 'https://token.actions.githubusercontent.com';
const TOOLS = ['cosign', 'gh'].filter(isOnPath);
if (TOOLS.length < 2) {
  console.error(`Second opinions are asked of ${TOOLS.join() || 'nobody'}: the others are not installed.`);
}

interface Instance {
  /** As its certificates name it, by which gh decides what a signature needs. */
  readonly organization: string;
  readonly isPublicRepository: boolean;
  /** What cosign needs to be told, because it expects Sigstore's public instance. */
  readonly cosign: readonly string[];
}

const INSTANCES: Record<string, Instance> = {
  'a public repository': { organization: 'sigstore.dev', isPublicRepository: true, cosign: [] },
  'a private repository': {
    organization: 'GitHub, Inc.',
    isPublicRepository: false,
    cosign: ['--use-signed-timestamps', '--insecure-ignore-tlog', '--insecure-ignore-sct'],
  },
};

/** A sidecar, with its record and its bundle beside it. */
interface Signed {
  readonly path: string;
  readonly root: string;
  readonly repository: string;
  readonly instance: Instance;
  readonly double: SigstoreDouble;
}

type Judge = (signed: Signed) => Promise<{ readonly exitCode: number | null; readonly stderr: string }>;

const JUDGES: Record<string, Judge> = {
  'claude-bottle': ({ path, root, repository }) =>
    runCli(['verify', path, '--repo', repository, '--provenance', 'required', '--trusted-root', root]),
  cosign: ({ path, root, repository, instance }) =>
    run('cosign', [
      ...['verify-blob', path, '--bundle', bundleOf(path), '--trusted-root', root, ...instance.cosign],
      ...['--certificate-oidc-issuer', ISSUER],
      ...['--certificate-identity-regexp', `^https://github\\.com/${repository}/.*@refs/heads/main$`],
    ]),
  gh: ({ path, root, repository }) =>
    run('gh', [
      ...['attestation', 'verify', path, '--bundle', bundleOf(path), '--custom-trusted-root', root],
      ...['--repo', repository, '--source-ref', 'refs/heads/main', '--deny-self-hosted-runners'],
    ]),
};

function bundleOf(path: string): string {
  return `${path}.sigstore.json`;
}

/** Away from this user's settings and logins. */
async function run(command: string, args: readonly string[]) {
  const home = await tempDir();
  const env = { PATH: process.env.PATH, HOME: home, GH_CONFIG_DIR: home, TUF_ROOT: home };
  return await new Promise<{ exitCode: number; stderr: string }>((resolve) => {
    execFile(command, args, { env }, (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : Number(error.code ?? -1), stderr: `${stdout}${stderr}` });
    });
  });
}

interface SignOptions {
  readonly run?: Partial<typeof RUN>;
  readonly double?: SigstoreDouble;
  readonly platform?: GuestPlatform;
}

async function signed(instance: Instance, options: SignOptions = {}): Promise<Signed> {
  const { isPublicRepository, organization } = instance;
  const double = options.double ?? new SigstoreDouble(organization);
  const { path, record: sample } = await sampleSidecar(options.platform ?? 'linux/amd64', 'ab'.repeat(32));
  const record: PackRecord = { ...sample, ...(RECORD.source && { source: RECORD.source }) };
  await fs.writeFile(`${path}.json`, formatRecord(record));
  const { value, message } = await attest('auto', {
    isPublicRepository,
    record,
    double,
    run: { ...RUN, ...options.run },
  });
  expect(message).toBeUndefined();
  await fs.writeFile(bundleOf(path), value.bundle);
  return { path, root: await rootOf(double, instance), repository: 'acme/agents', instance, double };
}

/** One instance alone, because cosign takes one. */
async function rootOf(double: SigstoreDouble, { isPublicRepository: logs }: Instance): Promise<string> {
  const path = join(await tempDir(), 'trusted-root.jsonl');
  await fs.writeFile(path, `${JSON.stringify(double.trustedRoot({ logs }))}\n`);
  return path;
}

/** Whether each of them accepts it. A refusal says why, and not that it was called in a wrong way. */
async function verdicts(signed: Signed): Promise<Record<string, boolean>> {
  const accepted: Record<string, boolean> = {};
  for (const [name, judge] of judges()) {
    const { exitCode, stderr } = await judge(signed);
    expect(stderr, name).not.toMatch(/unknown flag|required flag|panic|TUF/);
    accepted[name] = exitCode === 0;
  }
  return accepted;
}

/** This project, and those of the others that are installed. */
function judges(): Array<[name: string, judge: Judge]> {
  return Object.entries(JUDGES).filter(([name]) => name === 'claude-bottle' || TOOLS.includes(name));
}

const everybody = (accepts: boolean) => Object.fromEntries(judges().map(([name]) => [name, accepts]));

type Spoil = (signed: Signed) => Promise<Signed | undefined>;

async function changeBundle({ path }: Signed, change: (bundle: Bundle) => void): Promise<undefined> {
  const bundle = JSON.parse(await fs.readFile(bundleOf(path), 'utf8'));
  change(bundle);
  await fs.writeFile(bundleOf(path), JSON.stringify(bundle));
}

interface Bundle {
  verificationMaterial: {
    certificate: { rawBytes: string };
    tlogEntries: Array<{ integratedTime: string; canonicalizedBody: string }>;
    timestampVerificationData?: { rfc3161Timestamps?: unknown[] };
  };
  dsseEnvelope: { payload: string; signatures: Array<{ sig: string }> };
}

function flipped(base64: string): string {
  const bytes = Buffer.from(base64, 'base64');
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  return bytes.toString('base64');
}

const SPOILED: Record<string, Spoil> = {
  'of which a byte has changed': async ({ path }) => {
    const bytes = await fs.readFile(path);
    bytes.writeUInt8(bytes.readUInt8(99) ^ 1, 99);
    await fs.writeFile(path, bytes);
    return undefined;
  },
  'in the place of another': async ({ path, instance, double }) => {
    const other = await signed(instance, { double, platform: 'linux/arm64' });
    await fs.copyFile(bundleOf(other.path), bundleOf(path));
    return undefined;
  },
  'that is asked for as that of another repository': async (good) => ({ ...good, repository: 'acme/other' }),
  'that another instance of Sigstore would have to vouch for': async (good) => ({
    ...good,
    root: await rootOf(new SigstoreDouble(good.instance.organization), good.instance),
  }),
  'with another signature': (good) =>
    changeBundle(good, ({ dsseEnvelope: { signatures } }) => {
      signatures.forEach((each) => {
        each.sig = flipped(each.sig);
      });
    }),
  'whose statement has changed': (good) =>
    changeBundle(good, ({ dsseEnvelope }) => {
      const statement = Buffer.from(dsseEnvelope.payload, 'base64').toString();
      dsseEnvelope.payload = Buffer.from(statement.replace('push', 'pull')).toString('base64');
    }),
  'whose certificate has changed': (good) =>
    changeBundle(good, ({ verificationMaterial: { certificate } }) => {
      certificate.rawBytes = flipped(certificate.rawBytes);
    }),
  'without the word of a log or an authority': (good) =>
    changeBundle(good, ({ verificationMaterial }) => {
      verificationMaterial.tlogEntries = [];
      verificationMaterial.timestampVerificationData = {};
    }),
  'of a branch that nobody has asked for': ({ instance }) =>
    signed(instance, {
      run: {
        ref: 'refs/heads/other',
        workflow_ref: RUN.workflow_ref.replace('main', 'other'),
        job_workflow_ref: RUN.job_workflow_ref.replace('main', 'other'),
      },
    }),
  "signed by another repository's workflow": ({ instance }) =>
    signed(instance, {
      run: { job_workflow_ref: RUN.job_workflow_ref.replace('acme/agents', 'mallory/ci') },
    }),
};

describe.skipIf(TOOLS.length === 0).each(Object.entries(INSTANCES))('a sidecar of %s', (_, instance) => {
  test('as it is signed is accepted by cosign and gh, too', async () => {
    expect(await verdicts(await signed(instance))).toEqual(everybody(true));
  });

  test.each(Object.entries(SPOILED))('%s is refused by cosign and gh, too', async (_, spoil) => {
    const good = await signed(instance);
    expect(await verdicts((await spoil(good)) ?? good)).toEqual(everybody(false));
  });

  test('from a runner of the user is refused by gh, too', async () => {
    const verdict = await verdicts(await signed(instance, { run: { runner_environment: 'self-hosted' } }));
    // cosign has no word for it.
    expect({ ...verdict, cosign: false }).toMatchObject({ ...everybody(false), cosign: false });
  });
});

test.skipIf(TOOLS.length === 0)('a log entry of another time is refused by cosign and gh, too', async () => {
  const good = await signed(INSTANCES['a public repository'] as Instance);
  await changeBundle(good, ({ verificationMaterial: { tlogEntries } }) => {
    tlogEntries.forEach((entry) => {
      entry.integratedTime = String(Number(entry.integratedTime) + 1);
    });
  });
  expect(await verdicts(good)).toEqual(everybody(false));
});
