import { createHash } from 'node:crypto';
import { basename, dirname } from 'node:path';
import type { BuildInputs } from '../context/build-inputs.ts';
import { BottleError } from '../errors.ts';
import { causeLine } from '../git/causes.ts';
import type { ComparedInputs } from '../git/comparison.ts';
import { archivedEntries, differencesSince } from '../git/differences.ts';
import { otherLineEndings, readWorkingFile } from '../git/working-file.ts';
import { buildArgsSha256, entriesSha256 } from '../identity/inputs-key.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';

const MAX_LISTED_FILES = 10;

export interface Checkout {
  readonly platform: GuestPlatform;
  readonly context: string;
}

/** For a user who got nothing: the remotes, the nearest sidecar that is published, and what differs from it here. */
export async function explainMiss(
  nearest: PackRecord | undefined,
  inputs: BuildInputs,
  checkout: Checkout,
  aboutRemotes: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  if (nearest === undefined) {
    return await aboutRemotes();
  }
  const { source, platform } = nearest;
  const commit = source === undefined ? '' : ` of commit ${source.commit.slice(0, 12)}`;
  const differences = await differencesFrom(nearest, inputs, checkout);
  return [
    ...(await aboutRemotes()),
    `the nearest that is published is ${platform}${commit}; what differs from it here:`,
    ...(differences.length > 0 ? differences : ['nothing: it should have been found']).map(
      (line) => `- ${line}`,
    ),
  ];
}

/** What makes the key of a checkout another one than a record's; nothing when they are equal. */
export async function differencesFrom(
  { inputs: there, platform, source }: PackRecord,
  inputs: BuildInputs,
  checkout: Checkout,
): Promise<string[]> {
  if (there === undefined) {
    return ['it was packed from an image, not from inputs'];
  }
  const { record: here } = inputs;
  const [hasArgs, hadArgs] = [here, there].map(
    ({ buildArgsSha256: sha256 }) => sha256 !== buildArgsSha256(new Map()),
  );
  return [
    ...(platform === checkout.platform ? [] : [`the platform: ${checkout.platform} here, ${platform} there`]),
    ...(there.dockerfileSha256 === here.dockerfileSha256
      ? []
      : [await dockerfileLine(there.dockerfileSha256, inputs, source?.commit)]),
    ...(there.target === here.target
      ? []
      : [`the target: ${here.target ?? 'none'} here, ${there.target ?? 'none'} there`]),
    ...(there.buildArgsSha256 === here.buildArgsSha256
      ? []
      : [`the build arguments: ${hasArgs ? 'some' : 'none'} here, ${hadArgs ? 'others' : 'none'} there`]),
    ...(there.entriesSha256 === here.entriesSha256
      ? []
      : await whereGitAnswers('the files in the build context differ', () =>
          fileLines(there.entriesSha256, inputs, checkout.context, source?.commit),
        )),
  ];
}

/** A miss is not explained away by a git that refuses; its reason is one more line. */
async function whereGitAnswers(what: string, ask: () => Promise<string[]>): Promise<string[]> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof BottleError && error.code === 'git-failed') {
      return [`${what}; ${error.message}${error.hint === undefined ? '' : `; ${error.hint}`}`];
    }
    throw error;
  }
}

async function dockerfileLine(
  sha256There: string,
  { files }: BuildInputs,
  commit: string | undefined,
): Promise<string> {
  const name = basename(files.dockerfile);
  const file = await readWorkingFile(files.dockerfile, 'sha1');
  const forms = file === undefined ? [] : otherLineEndings(file);
  if (forms.some((bytes) => createHash('sha256').update(bytes).digest('hex') === sha256There)) {
    return `the Dockerfile: ${causeLine({ path: name, cause: 'line-endings', count: 1 })}`;
  }
  const lines = await whereGitAnswers(name, () => causesOfFile(files.dockerfile, commit));
  return `the Dockerfile: ${lines[0] ?? `${name} is not the one that was built there (--file)`}`;
}

/** Of a file that decides about the build without being part of it. */
async function causesOfFile(path: string, commit: string | undefined): Promise<string[]> {
  const name = basename(path);
  const compared = await differencesSince(commit, {
    context: dirname(path),
    entries: [{ type: 'file', path: name, executable: false, sha256: '' }],
    covers: (each) => each === name,
  });
  return (compared?.differences ?? []).filter(({ cause }) => cause !== 'execute-bit').map(causeLine);
}

/** The record has one hash for all files; git knows what a clone of its commit has. */
async function fileLines(
  entriesThere: string,
  { entries, covers, files }: BuildInputs,
  context: string,
  commit: string | undefined,
): Promise<string[]> {
  const compared = await differencesSince(commit, { context, entries, covers });
  if (compared === undefined) {
    return ['files in the build context; this is not a git checkout, so it is not known which ones'];
  }
  const { differences, knowsCommit, lfsPointers } = compared;
  const isIgnoreFileListed = entries.some(({ path }) => path === files.ignore);
  const rules =
    files.ignore === undefined || isIgnoreFileListed ? [] : await causesOfFile(files.ignore, commit);
  const lines = [...new Set([...rules, ...differences.map(causeLine)])];
  const rest = lines.length - MAX_LISTED_FILES;
  return [
    ...lines.slice(0, MAX_LISTED_FILES),
    ...(rest > 0 ? [`${rest} more files`] : []),
    ...(knowsCommit || commit === undefined
      ? []
      : [
          `this clone does not have commit ${commit.slice(0, 12)}, so only what is not committed here is listed: git fetch --unshallow, or git fetch origin`,
        ]),
    ...(lines.length === 0 && (knowsCommit || commit === undefined)
      ? [await whyNothingDiffers(entriesThere, { context, entries, covers }, lfsPointers)]
      : []),
  ];
}

/** Here all files are those of the commit, and so they were not there. */
async function whyNothingDiffers(
  entriesThere: string,
  inputs: ComparedInputs,
  lfsPointers: ReadonlyMap<string, string>,
): Promise<string> {
  const { entries } = inputs;
  const archived = await archivedEntries(inputs);
  if (archived.length < entries.length && entriesSha256(archived) === entriesThere) {
    const kept = new Set(archived.map(({ path }) => path));
    const missing = entries.filter(({ type, path }) => type !== 'directory' && !kept.has(path));
    return `${missing[0]?.path} and all that .gitattributes marks with export-ignore was not there: install git on the runner before actions/checkout, which otherwise unpacks an archive`;
  }
  const asPointers = entries.map((entry) => {
    const sha256 = entry.type === 'file' ? lfsPointers.get(entry.path) : undefined;
    return sha256 === undefined ? entry : { ...entry, sha256 };
  });
  return lfsPointers.size > 0 && entriesSha256(asPointers as BuildInputs['entries']) === entriesThere
    ? `${[...lfsPointers.keys()][0]} and all that Git LFS keeps were pointers there: set lfs: true for actions/checkout`
    : 'files in the build context: here they are those of the commit, so that there the build had others, such as what an earlier step had made; list such files in .dockerignore';
}
