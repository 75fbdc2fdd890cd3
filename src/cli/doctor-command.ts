import * as fs from 'node:fs/promises';
import { engineFacts } from '../docker/command.ts';
import { BottleError, isDamage } from '../errors.ts';
import { originOf, whyNoOrigin } from '../git/remote.ts';
import { formatBytes, freeBytes } from '../host/disk.ts';
import { scratchParent } from '../host/private-dir.ts';
import { counted } from '../identity/shown-text.ts';
import { findSmolvm, NEWEST_TESTED_VERSION, versionNote, versionRefusal } from '../pack/smolvm.ts';
import { memoryBytes, memoryWarning, requireVirtualization } from '../pack/virtualization.ts';
import { type GitHubSite, githubSite } from '../remote/github.ts';
import { HttpClient } from '../remote/http.ts';
import { HttpError } from '../remote/http-error.ts';
import { redacted } from '../remote/url.ts';
import { readSidecar } from '../sidecar/verify.ts';
import { storeDir } from '../store/location.ts';
import { Store } from '../store/store.ts';
import type { DoctorOptions } from './flags/doctor.ts';
import { type Output, tryLines } from './output.ts';
import { SIGNS } from './style.ts';

/** A place that does not answer in this time is not reachable for a person who waits. */
const REACH_TIMEOUT_MS = 3000;
/** Room for an agent image of 2 GB, flattened and packed. */
const COMFORTABLE_BYTES = 8e9;

interface Finding {
  readonly state: keyof typeof SIGNS;
  readonly detail: string;
  /** What the tool that was asked said, line by line. */
  readonly lines?: readonly string[];
  readonly tries?: readonly string[];
  /** Instead of what `NEEDS` says of it, in the verdict. */
  readonly obstacle?: string;
}

type Check = () => Promise<Finding | undefined>;

const VERBS = ['fetch', 'pack'] as const;
type Verb = (typeof VERBS)[number];

/** What a verb cannot do without, as the verdict names it. */
const NEEDS: Readonly<Record<string, { readonly by: readonly Verb[]; readonly noun: string }>> = {
  docker: { by: VERBS, noun: 'Docker' },
  checkout: { by: ['fetch'], noun: 'this checkout' },
  network: { by: ['fetch'], noun: 'the network' },
  store: { by: VERBS, noun: 'the store' },
  smolvm: { by: ['pack'], noun: 'smolvm' },
  machine: { by: ['pack'], noun: 'virtualization' },
};

/** `claude-bottle doctor`: a line for each thing that fetching and packing need; 78 when nothing can be fetched here. */
export async function runDoctor(
  options: DoctorOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const engine = engineFacts(signal);
  const github = siteOfCheckout();
  const checks: ReadonlyArray<readonly [name: string, check: Check]> = [
    ['docker', () => checkDocker(engine)],
    ['image ID', () => checkImageId(engine)],
    ['checkout', checkCheckout],
    ['network', () => checkNetwork(github, signal)],
    ['store', () => checkStore(storeDir(options.store))],
    ['smolvm', checkSmolvm],
    ['machine', checkVirtualization],
    ['memory', checkMemory],
    ['scratch', () => checkDisk(scratchParent(), 'TMPDIR')],
    ['umask', checkUmask],
    ['token', () => checkToken(github)],
    ['proxy', checkProxy],
  ];
  const found = await Promise.all(
    checks.map(async ([name, check]) => ({ name, finding: await check().catch(failure) })),
  );
  const findings = found.flatMap(({ name, finding }) =>
    finding === undefined ? [] : [{ name, ...finding }],
  );
  const obstacles = (verb: Verb) =>
    findings.flatMap(({ name, state, detail, obstacle }) => {
      const { by = [], noun } = NEEDS[name] ?? {};
      const problem = /is not on PATH$/.test(detail) ? 'is missing' : 'is not usable';
      return state === 'fail' && by.includes(verb) ? [obstacle ?? `${noun} ${problem}`] : [];
    });
  const ready = { fetch: obstacles('fetch').length === 0, pack: obstacles('pack').length === 0 };
  output.result({ findings, ready }, [
    ...findings.flatMap(({ name, state, detail, lines = [], tries = [] }) => [
      `${SIGNS[state]} ${name.padEnd(8)}  ${detail}`,
      ...lines.map((line) => `            | ${line}`),
      ...tryLines(tries).map((line, index) => `            ${index === 0 ? 'try:' : '    '} ${line}`),
    ]),
    '',
    verdict(obstacles('fetch'), obstacles('pack')),
  ]);
  return ready.fetch ? 0 : 78;
}

/** "Ready to fetch. Not ready to pack: smolvm is not on PATH." */
function verdict(forFetch: readonly string[], forPack: readonly string[]): string {
  const sentence = (verbs: string, reasons: readonly string[]) =>
    reasons.length === 0 ? `Ready to ${verbs}.` : `Not ready to ${verbs}: ${reasons.join(', ')}.`;
  return forFetch.join() === forPack.join()
    ? sentence(forFetch.length === 0 ? 'fetch and to pack' : 'fetch or to pack', forFetch)
    : `${sentence('fetch', forFetch)} ${sentence('pack', forPack)}`;
}

function failure(error: unknown): Finding {
  if (error instanceof BottleError) {
    const { message, details, hints } = error;
    return { state: 'fail', detail: message, ...(details.length > 0 && { lines: details }), tries: hints };
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
    tries: ['export BUILDX_NO_DEFAULT_ATTESTATIONS=1  # where claude-bottle runs'],
  };
}

/** Whose sidecars `fetch` would look for here. */
async function checkCheckout(): Promise<Finding> {
  const origin = await originOf('.');
  const reason = origin === undefined ? await whyNoOrigin('.') : undefined;
  return origin === undefined
    ? {
        state: 'warn',
        detail: reason ?? 'it has no repository',
        tries: ['claude-bottle fetch --repo OWNER/NAME'],
      }
    : { state: 'ok', detail: `fetch looks for sidecars of ${origin.host}/${origin.repository}` };
}

/** COPY takes file modes over: they are not part of the inputs key, but of the image. */
async function checkUmask(): Promise<Finding> {
  const umask = process.umask();
  const octal = umask.toString(8).padStart(3, '0');
  return (umask & 0o022) === 0o022
    ? { state: 'ok', detail: octal }
    : {
        state: 'warn',
        detail: `${octal}: files of new checkouts get other modes than in CI, so fetch --prove fails`,
        tries: ['umask 022  # before you clone'],
      };
}

/** What `fetch` would ask; another line tells why a checkout cannot be read. */
async function siteOfCheckout(): Promise<GitHubSite> {
  const origin = await originOf('.').catch(() => undefined);
  return await githubSite({ remoteHost: origin?.host, env: process.env });
}

/** Whether the registry and the server that `fetch` asks answer at all; a refusal is an answer, too. */
async function checkNetwork(github: Promise<GitHubSite>, signal: AbortSignal): Promise<Finding | undefined> {
  const site = await github.catch(() => undefined);
  if (site === undefined) {
    return undefined;
  }
  const { registryHost, serverUrl } = site;
  // A server without a name has no registry.
  const places = [`https://${registryHost}/v2/`, serverUrl].filter((url) => URL.canParse(url));
  const hosts = places.map((url) => new URL(url).host);
  const http = new HttpClient({ signal, shortTimeoutMs: REACH_TIMEOUT_MS });
  const failures = await Promise.all(places.map((url) => whyUnreachable(http, url)));
  http.close();
  const failed = failures.filter((error) => error !== undefined);
  const [first] = failed;
  if (first === undefined) {
    return { state: 'ok', detail: `${hosts.join(' and ')} ${hosts.length === 1 ? 'answers' : 'answer'}` };
  }
  const silent = hosts.filter((_, index) => failures[index] !== undefined).join(' and ');
  return {
    state: failed.length < hosts.length ? 'warn' : 'fail',
    detail: `${silent} cannot be reached`,
    lines: failed.map(({ message }) => message),
    tries: first.hints,
    obstacle: `${silent} cannot be reached`,
  };
}

async function whyUnreachable(http: HttpClient, url: string): Promise<BottleError | undefined> {
  try {
    const { body } = await http.send({ url });
    body.destroy();
    return undefined;
  } catch (error) {
    if (error instanceof BottleError) {
      return error instanceof HttpError ? undefined : error;
    }
    throw error;
  }
}

async function checkToken(github: Promise<GitHubSite>): Promise<Finding> {
  const { serverUrl, token } = await github;
  return {
    state: 'ok',
    detail:
      token === undefined
        ? 'none (private repositories and workflow artifacts need one)'
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
  const { version, path } = await findSmolvm().catch((error: unknown) => {
    throw error instanceof BottleError && error.code === 'smolvm-missing' ? withoutSmolvm(error) : error;
  });
  const refusal = versionRefusal(version);
  const note = versionNote(version);
  if (refusal !== undefined) {
    return { state: 'fail', detail: refusal, tries: [`install smolvm ${NEWEST_TESTED_VERSION}`] };
  }
  return { state: note.startsWith('newer') ? 'warn' : 'ok', detail: `${version}, ${note}; ${path}` };
}

function withoutSmolvm({ code, message, hints }: BottleError): BottleError {
  return new BottleError(code, message, {
    hint: [...hints, 'claude-bottle pack --packer direct  # packs without smolvm'],
  });
}

async function checkMemory(): Promise<Finding> {
  const warning = memoryWarning();
  return warning === undefined
    ? { state: 'ok', detail: formatBytes(memoryBytes()) }
    : { state: 'warn', detail: warning, tries: ['pack on a larger machine if it ends like that'] };
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
        tries: [`free some space, or name a larger disk with ${variable}`],
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
      tries: ['claude-bottle verify  # moves them to quarantine'],
    };
  }
  const exists = await fs.stat(dir).then(
    () => true,
    () => false,
  );
  return { state: 'ok', detail: `${dir}, ${exists ? counted(ids.length, 'sidecar') : 'not there yet'}` };
}
