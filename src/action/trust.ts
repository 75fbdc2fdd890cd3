import type { CacheInput } from './inputs.ts';

/** Events whose code someone with write access has put there. */
const TRUSTED_EVENTS: readonly string[] = [
  'push',
  'schedule',
  'workflow_dispatch',
  'repository_dispatch',
  'merge_group',
  'release',
  'deployment',
];

/** Events whose run may change what developers get: the fewest that are needed, and those that `fetch` believes. */
const PUBLISHING_EVENTS: readonly string[] = ['push', 'release', 'workflow_dispatch', 'schedule'];

/** What GitHub tells of the run that we are in. */
export interface RunContext {
  /** GITHUB_EVENT_NAME */
  readonly event: string;
  /** The event's JSON, as far as it is an object. */
  readonly payload: Readonly<Record<string, unknown>>;
  /** GITHUB_REF */
  readonly ref: string;
  /** Whether the job may ask for an OIDC token, and so sign or attest in any of its steps. */
  readonly hasIdToken: boolean;
}

export interface Permission {
  readonly allowed: boolean;
  /** Why not, for the log. */
  readonly reason?: string;
}

export interface Trust {
  /** To take a sidecar from the runner cache: any job that can write the cache decides what is in it. */
  readonly restore: Permission;
  /** To put one there, for other runs. */
  readonly save: Permission;
  /** To upload it as an artifact, which others find by its name. */
  readonly upload: Permission;
  /** To publish it, for everyone. */
  readonly publish: Permission;
}

export interface Wishes {
  readonly cache: CacheInput;
  readonly publishes: boolean;
}

/**
 * What this run may do with what it packs. A restore cannot be checked afterwards (the archive is unpacked with
 * absolute paths allowed), so a job that publishes packs for itself, and so do jobs whose result is attested or released
 * in another way unless `cache` is true.
 */
export function judgeRun(run: RunContext, { cache, publishes }: Wishes): Trust {
  const distrust = whyNotTrusted(run);
  const noPublish = PUBLISHING_EVENTS.includes(run.event) ? undefined : (distrust ?? whyNotPublished(run));
  const isOwnPullRequest = run.event === 'pull_request' && !isFork(run.payload);
  const noCache = cache === 'false' ? 'the input cache is false' : undefined;
  const isPublished =
    publishes && noPublish === undefined ? 'a job that publishes always packs again' : undefined;
  const alwaysPacks = cache === 'auto' ? (isPublished ?? whyAlwaysPacked(run)) : undefined;
  return {
    restore: permission(noCache ?? isPublished ?? alwaysPacks),
    save: permission(noCache ?? alwaysPacks ?? distrust),
    upload: permission(isOwnPullRequest ? undefined : distrust),
    publish: permission(noPublish),
  };
}

function whyNotTrusted(run: RunContext): string | undefined {
  if (TRUSTED_EVENTS.includes(run.event)) {
    return undefined;
  }
  return run.event === 'pull_request' && isFork(run.payload)
    ? 'this pull request comes from a fork'
    : `the event ${run.event} may build code from outside of the branch`;
}

function whyNotPublished({ event }: RunContext): string {
  return `only ${PUBLISHING_EVENTS.join(', ')} publish, and this is ${event}`;
}

/** The default branch of the event's repository, as far as it is told: the event `schedule` has no repository. */
export function defaultBranchOf({ payload }: RunContext): string | undefined {
  const name = property(payload.repository, 'default_branch');
  return typeof name === 'string' ? name : undefined;
}

function whyAlwaysPacked(run: RunContext): string | undefined {
  if (run.hasIdToken) {
    return 'a job that can sign (id-token: write) always packs again';
  }
  if (run.event === 'release' || run.ref.startsWith('refs/tags/')) {
    return 'a run for a release always packs again';
  }
  return undefined;
}

/** Whether a pull request comes from a fork. One whose payload does not say so counts as a fork. */
function isFork(payload: RunContext['payload']): boolean {
  const head = repositoryId(payload, 'head');
  return head === undefined || head !== repositoryId(payload, 'base');
}

function repositoryId(payload: RunContext['payload'], side: 'head' | 'base'): unknown {
  const id = property(property(property(payload.pull_request, side), 'repo'), 'id');
  return typeof id === 'number' ? id : undefined;
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function permission(reason: string | undefined): Permission {
  return reason === undefined ? { allowed: true } : { allowed: false, reason };
}
