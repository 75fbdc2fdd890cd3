import * as fs from 'node:fs/promises';
import { styleText } from 'node:util';
import { engineFacts } from '../docker/command.ts';
import { BottleError, isDamage } from '../errors.ts';
import { formatBytes, freeBytes } from '../host/disk.ts';
import { scratchParent } from '../host/private-dir.ts';
import { findSmolvm, NEWEST_TESTED_VERSION, versionNote, versionRefusal } from '../pack/smolvm.ts';
import { memoryBytes, memoryWarning, requireVirtualization } from '../pack/virtualization.ts';
import { githubSite } from '../remote/github.ts';
import { redacted } from '../remote/url.ts';
import { readSidecar } from '../sidecar/verify.ts';
import { storeDir } from '../store/location.ts';
import { Store } from '../store/store.ts';
import type { DoctorOptions } from './flags/doctor.ts';
import type { Output } from './output.ts';

/** Room for an agent image of 2 GB, flattened and packed. */
const COMFORTABLE_BYTES = 8e9;

interface Finding {
  readonly state: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  /** What the tool that was asked said, line by line. */
  readonly lines?: readonly string[];
  readonly fix?: string | undefined;
}

/** `claude-bottle doctor`: a line for each thing that packing needs; 78 when one of them is missing. */
export async function runDoctor(
  options: DoctorOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const engine = engineFacts(signal);
  const checks: ReadonlyArray<readonly [name: string, check: () => Promise<Finding | undefined>]> = [
    ['docker', () => checkDocker(engine)],
    ['image ID', () => checkImageId(engine)],
    ['smolvm', checkSmolvm],
    ['machine', checkVirtualization],
    ['memory', checkMemory],
    ['scratch', () => checkDisk(scratchParent(), 'TMPDIR')],
    ['store', async () => await checkStore(storeDir(options.store))],
    ['umask', checkUmask],
    ['token', checkToken],
    ['proxy', checkProxy],
  ];
  const found = await Promise.all(
    checks.map(async ([name, check]) => ({ name, finding: await check().catch(failure) })),
  );
  const findings = found.flatMap(({ name, finding }) =>
    finding === undefined ? [] : [{ name, ...finding }],
  );
  output.result(
    { findings },
    findings.flatMap(({ name, state, detail, lines = [], fix }) => [
      `${state.padEnd(4)}  ${name.padEnd(8)} ${detail}`,
      ...lines.map((line) => `      | ${line}`),
      ...(fix === undefined ? [] : [`      fix: ${fix}`]),
    ]),
    colored,
  );
  return findings.some(({ state }) => state === 'fail') ? 78 : 0;
}

function colored(line: string): string {
  const color = { ok: 'green', warn: 'yellow', fail: 'red' } as const;
  return line.replace(/^(?:ok|warn|fail)\b/, (state) =>
    styleText(color[state as Finding['state']], state, { stream: process.stdout }),
  );
}

function failure(error: unknown): Finding {
  if (error instanceof BottleError) {
    const { message, details, hint } = error;
    return { state: 'fail', detail: message, ...(details.length > 0 && { lines: details }), fix: hint };
  }
  throw error;
}

async function checkDocker(engine: ReturnType<typeof engineFacts>): Promise<Finding> {
  const { version, store } = await engine;
  return { state: 'ok', detail: `engine ${version}, ${store} image store` };
}

/**
 * Whether claude-bottle's next build gets the ID of the last one; `fetch` and `bind` try it out. Undefined without an engine,
 * of which another line speaks.
 */
async function checkImageId(engine: ReturnType<typeof engineFacts>): Promise<Finding | undefined> {
  const { store } = await engine.catch(() => ({ store: undefined }));
  if (store === undefined) {
    return undefined;
  }
  if (store === 'classic' || process.env.BUILDX_NO_DEFAULT_ATTESTATIONS) {
    return { state: 'ok', detail: 'a cached build keeps its image ID' };
  }
  return {
    state: 'warn',
    detail:
      'containerd image store and BUILDX_NO_DEFAULT_ATTESTATIONS not set: BuildKit gives every build another image ID',
    fix: 'export BUILDX_NO_DEFAULT_ATTESTATIONS=1 where claude-bottle runs, or start it by claude-bottle exec',
  };
}

/** COPY takes file modes over: they are no part of the inputs key, but of the image. */
async function checkUmask(): Promise<Finding> {
  const umask = process.umask();
  const octal = umask.toString(8).padStart(3, '0');
  return (umask & 0o022) === 0o022
    ? { state: 'ok', detail: octal }
    : {
        state: 'warn',
        detail: `${octal}: files of new checkouts get other modes than in CI, so fetch --prove fails`,
        fix: 'set umask 022 before you clone',
      };
}

async function checkToken(): Promise<Finding> {
  const { serverUrl, token } = await githubSite({ env: process.env });
  return {
    state: 'ok',
    detail:
      token === undefined
        ? `none for ${serverUrl}; only private repositories and workflow artifacts need one (GH_TOKEN)`
        : `there is one for ${serverUrl}`,
  };
}

async function checkProxy(): Promise<Finding> {
  const names = ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'NODE_EXTRA_CA_CERTS'];
  const set = names.flatMap((name) => {
    const value = process.env[name] || process.env[name.toLowerCase()];
    return value ? [`${name} ${/^HTTPS?_PROXY$/.test(name) ? redacted(value) : value}`] : [];
  });
  return { state: 'ok', detail: set.length === 0 ? 'none' : set.join(', ') };
}

async function checkSmolvm(): Promise<Finding> {
  const { version, path } = await findSmolvm();
  const refusal = versionRefusal(version);
  const note = versionNote(version);
  if (refusal !== undefined) {
    return { state: 'fail', detail: refusal, fix: `install smolvm ${NEWEST_TESTED_VERSION}` };
  }
  return { state: note.startsWith('newer') ? 'warn' : 'ok', detail: `${version}, ${note}; ${path}` };
}

async function checkMemory(): Promise<Finding> {
  const warning = memoryWarning();
  return warning === undefined
    ? { state: 'ok', detail: formatBytes(memoryBytes()) }
    : { state: 'warn', detail: warning, fix: 'pack on a larger machine if it ends like that' };
}

async function checkVirtualization(): Promise<Finding> {
  await requireVirtualization();
  return {
    state: 'ok',
    detail: process.platform === 'darwin' ? 'Hypervisor framework' : '/dev/kvm can be opened',
  };
}

async function checkDisk(dir: string, variable: string): Promise<Finding> {
  const free = await freeBytes(dir);
  return free < COMFORTABLE_BYTES
    ? {
        state: 'warn',
        detail: `${formatBytes(free)} free in ${dir}`,
        fix: `free some space, or name a larger disk with ${variable}`,
      }
    : { state: 'ok', detail: `${formatBytes(free)} free in ${dir}` };
}

/** Looks at footers and manifests only; `verify --all` reads everything. */
async function checkStore(dir: string): Promise<Finding> {
  const store = await Store.open(dir);
  const damaged: string[] = [];
  const ids = await store.list();
  for (const id of ids) {
    await readSidecar(store.pathFor(id)).catch((error: unknown) => {
      if (!isDamage(error)) {
        throw error;
      }
      damaged.push(id);
    });
  }
  if (damaged.length > 0) {
    return {
      state: 'fail',
      detail: `${damaged.length} of ${ids.length} sidecars in ${dir} are damaged: ${damaged.join(', ')}`,
      fix: 'claude-bottle verify --all moves them to quarantine',
    };
  }
  const exists = await fs.stat(dir).then(
    () => true,
    () => false,
  );
  return { state: 'ok', detail: `${dir}, ${exists ? `${ids.length} sidecars` : 'not there yet'}` };
}
