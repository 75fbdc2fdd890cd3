import { createHash } from 'node:crypto';
import { basename, dirname } from 'node:path';
import type { BuildInputs } from '../context/build-inputs.ts';
import { BottleError } from '../errors.ts';
import { type Reason, reasonLine, reasonOf } from '../git/causes.ts';
import type { ComparedInputs } from '../git/comparison.ts';
import { archivedEntries, differencesSince } from '../git/differences.ts';
import { historyOf, isPushed } from '../git/history.ts';
import { otherLineEndings, readWorkingFile } from '../git/working-file.ts';
import { buildArgsSha256, entriesSha256 } from '../identity/inputs-key.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { counted } from '../identity/shown-text.ts';

const MAX_LISTED_FILES = 10;

export interface Checkout {
  readonly platform: GuestPlatform;
  readonly context: string;
}

export interface MissedCheckout extends Checkout {
  /** The sidecar was looked for, and not named. */
  readonly isSearch: boolean;
  /** What to know of the checkout's remotes. */
  readonly aboutRemotes: () => Promise<readonly string[]>;
}

/** Why a checkout gets nothing, as far as this machine can tell. */
export interface Explanation {
  readonly cause: Cause | undefined;
  readonly details: readonly string[];
}

interface Cause {
  readonly message: string;
  readonly hint: string | undefined;
  /** Nobody can have published what is only in this clone. */
  readonly isLocal: boolean;
}

/** For a user who got nothing: what differs here from the nearest sidecar that is published, or from the commit. */
export async function explainMiss(
  nearest: PackRecord | undefined,
  inputs: BuildInputs,
  { aboutRemotes, isSearch, ...checkout }: MissedCheckout,
): Promise<Explanation> {
  const reasons =
    nearest !== undefined
      ? await reasonsFrom(nearest, inputs, checkout)
      : isSearch
        ? await reasonsOfFiles('', inputs, checkout.context, undefined)
        : [];
  const local = reasons.filter(({ isCommitted }) => !isCommitted);
  const [first, ...others] = local;
  const cause =
    first !== undefined
      ? { message: localCause(first, others.length), hint: first.remedy, isLocal: true }
      : nearest !== undefined || isSearch
        ? await causeInCi(checkout.context)
        : undefined;
  const list = reasons.length > 1 ? reasons.map((reason) => `- ${reasonLine(reason)}`) : [];
  return { cause, details: [...nearestLines(nearest, list), ...(await aboutRemotes())] };
}

function localCause({ what }: Reason, others: number): string {
  const more = others === 0 ? '' : ` (and ${others} more)`;
  return `${what}${more}, so nothing is published for this checkout`;
}

/** The cause of a miss in a checkout without local changes. */
async function causeInCi(context: string): Promise<Cause | undefined> {
  const [commit] = await historyOf(context).catch(unlessGitRefuses);
  if (commit === undefined) {
    return undefined;
  }
  const shortCommit = commit.slice(0, 12);
  return (await isPushed(context)) === false
    ? {
        message: `commit ${shortCommit} is not pushed, so CI cannot have packed it`,
        hint: 'git push',
        isLocal: true,
      }
    : {
        message: `nothing is published for commit ${shortCommit} yet`,
        hint: 'gh run list  # is CI still packing it?',
        isLocal: false,
      };
}

function unlessGitRefuses(error: unknown): [] {
  if (error instanceof BottleError && error.code === 'git-failed') {
    return [];
  }
  throw error;
}

function nearestLines(nearest: PackRecord | undefined, differences: readonly string[]): string[] {
  if (nearest === undefined) {
    return differences.length === 0 ? [] : ['this checkout differs from its commit in:', ...differences];
  }
  const { source, platform } = nearest;
  const commit = source === undefined ? '' : `, of commit ${source.commit.slice(0, 12)}`;
  const what = differences.length === 0 ? '' : '; here it differs in:';
  return [`the nearest published sidecar is for ${platform}${commit}${what}`, ...differences];
}

/** What makes the key of a checkout another one than a record's; nothing when they are equal. */
export async function differencesFrom(
  record: PackRecord,
  inputs: BuildInputs,
  checkout: Checkout,
): Promise<string[]> {
  return (await reasonsFrom(record, inputs, checkout)).map(reasonLine);
}

async function reasonsFrom(
  { inputs: there, platform, source }: PackRecord,
  inputs: BuildInputs,
  checkout: Checkout,
): Promise<Reason[]> {
  if (there === undefined) {
    return [{ what: 'the sidecar was packed from an image, not from inputs' }];
  }
  const { record: here } = inputs;
  const [hasArgs, hadArgs] = [here, there].map(
    ({ buildArgsSha256: sha256 }) => sha256 !== buildArgsSha256(new Map()),
  );
  return [
    ...(platform === checkout.platform
      ? []
      : [{ what: `the platform is ${checkout.platform} here, and ${platform} where it was packed` }]),
    ...(there.dockerfileSha256 === here.dockerfileSha256
      ? []
      : [await reasonOfDockerfile(there.dockerfileSha256, inputs, source?.commit)]),
    ...(there.target === here.target
      ? []
      : [
          {
            what: `the target is ${here.target ?? 'not set'} here, and ${there.target ?? 'not set'} where it was packed`,
          },
        ]),
    ...(there.buildArgsSha256 === here.buildArgsSha256
      ? []
      : [
          {
            what: `the build arguments are ${hasArgs ? 'set' : 'not set'} here, and ${hadArgs ? (hasArgs ? 'others' : 'set') : 'not set'} where it was packed`,
          },
        ]),
    ...(there.entriesSha256 === here.entriesSha256
      ? []
      : await reasonsOfFiles(there.entriesSha256, inputs, checkout.context, source?.commit)),
  ];
}

/** A miss is not explained away by a git that refuses; its reason is one more line. */
async function whereGitAnswers(what: string, ask: () => Promise<Reason[]>): Promise<Reason[]> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof BottleError && error.code === 'git-failed') {
      return [{ what: `${what}; ${error.message}`, ...(error.hint && { remedy: error.hint }) }];
    }
    throw error;
  }
}

async function reasonOfDockerfile(
  sha256There: string,
  { files }: BuildInputs,
  commit: string | undefined,
): Promise<Reason> {
  const name = basename(files.dockerfile);
  const file = await readWorkingFile(files.dockerfile, 'sha1');
  const forms = file === undefined ? [] : otherLineEndings(file);
  if (forms.some((bytes) => createHash('sha256').update(bytes).digest('hex') === sha256There)) {
    return reasonOf({ path: name, cause: 'line-endings', count: 1 });
  }
  const reasons = await whereGitAnswers(`${name} differs`, () => reasonsOfFile(files.dockerfile, commit));
  return reasons[0] ?? { what: `${name} is not the one that was built there (--file)` };
}

/** The differences of a file that decides about the build without being part of it. */
async function reasonsOfFile(path: string, commit: string | undefined): Promise<Reason[]> {
  const name = basename(path);
  const compared = await differencesSince(commit, {
    context: dirname(path),
    entries: [{ type: 'file', path: name, executable: false, sha256: '' }],
    covers: (each) => each === name,
  });
  return (compared?.differences ?? []).filter(({ cause }) => cause !== 'execute-bit').map(reasonOf);
}

async function reasonsOfFiles(
  entriesThere: string,
  inputs: BuildInputs,
  context: string,
  commit: string | undefined,
): Promise<Reason[]> {
  return await whereGitAnswers('files in the build context differ', () =>
    differingFiles(entriesThere, inputs, context, commit),
  );
}

/**
 * The record has one hash for all files; git knows what a clone of its commit has.
 * @param entriesThere '' where there is no record: only what is not as in the checked-out commit is told
 */
async function differingFiles(
  entriesThere: string,
  { entries, covers, files }: BuildInputs,
  context: string,
  commit: string | undefined,
): Promise<Reason[]> {
  const compared = await differencesSince(commit, { context, entries, covers });
  const isCompared = entriesThere !== '';
  if (compared === undefined) {
    return isCompared
      ? [{ what: 'files in the build context differ; without a git checkout it is not known which ones' }]
      : [];
  }
  const { differences, knowsCommit, lfsPointers } = compared;
  const isIgnoreFileListed = entries.some(({ path }) => path === files.ignore);
  const rules =
    files.ignore === undefined || isIgnoreFileListed ? [] : await reasonsOfFile(files.ignore, commit);
  const byName = new Map([...rules, ...differences.map(reasonOf)].map((each) => [reasonLine(each), each]));
  const reasons = [...byName.values()];
  const rest = reasons.length - MAX_LISTED_FILES;
  return [
    ...reasons.slice(0, MAX_LISTED_FILES),
    ...(rest > 0 ? [{ what: `there are ${counted(rest, 'more difference')}` }] : []),
    ...(knowsCommit || commit === undefined
      ? []
      : [
          {
            what: `this clone does not have commit ${commit.slice(0, 12)}, so only what is not committed here is known`,
            remedy: 'git fetch origin  # or git fetch --unshallow',
            isCommitted: true,
          },
        ]),
    ...(isCompared && reasons.length === 0 && (knowsCommit || commit === undefined)
      ? [await whyNothingDiffers(entriesThere, { context, entries, covers }, lfsPointers)]
      : []),
  ];
}

/** Here all files are those of the commit, and so they were not there. */
async function whyNothingDiffers(
  entriesThere: string,
  inputs: ComparedInputs,
  lfsPointers: ReadonlyMap<string, string>,
): Promise<Reason> {
  const { entries } = inputs;
  const archived = await archivedEntries(inputs);
  if (archived.length < entries.length && entriesSha256(archived) === entriesThere) {
    const kept = new Set(archived.map(({ path }) => path));
    const missing = entries.filter(({ type, path }) => type !== 'directory' && !kept.has(path));
    return {
      what: `${missing[0]?.path} and all that .gitattributes marks with export-ignore was not there`,
      remedy:
        'install git on the runner before actions/checkout, which otherwise unpacks an archive of the repository',
    };
  }
  const asPointers = entries.map((entry) => {
    const sha256 = entry.type === 'file' ? lfsPointers.get(entry.path) : undefined;
    return sha256 === undefined ? entry : { ...entry, sha256 };
  });
  return lfsPointers.size > 0 && entriesSha256(asPointers as BuildInputs['entries']) === entriesThere
    ? {
        what: `${[...lfsPointers.keys()][0]} and all that Git LFS keeps were pointers where it was packed`,
        remedy: 'set lfs: true for actions/checkout',
      }
    : {
        what: 'the files here are those of the commit, and the build of the sidecar had others, such as what an earlier step had made',
        remedy: 'list such files in .dockerignore',
      };
}
