import { BottleError } from '../errors.ts';

/** GitHub's own; an enterprise can have tokens issued under an address of its own, which is another issuer. */
const ISSUER = 'https://token.actions.githubusercontent.com';
/** This project's reusable workflow, which packs in a job that its caller cannot change. */
const PACK_WORKFLOW = 'org/claude-bottle-pack/.github/workflows/pack.yml';
/** What someone with write access has started; pull requests and what follows from them are not among it. */
const TRIGGERS: readonly string[] = ['push', 'release', 'workflow_dispatch', 'schedule'];

/**
 * What Fulcio has certified of the workflow run that signed.
 * https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
 */
export interface Identity {
  readonly issuer: string;
  /** The name in the certificate; the same as `signer`. */
  readonly subject: string;
  /** Address of the workflow file that ran, with `@` and its ref. Of a reusable workflow: the one that was called. */
  readonly signer: string;
  readonly runnerEnvironment: string;
  /** https://github.com/owner/name */
  readonly repository: string;
  readonly commit: string;
  /** refs/heads/… or refs/tags/… */
  readonly ref: string;
  readonly repositoryId: string;
  readonly ownerId: string;
  readonly trigger: string;
  /** …/actions/runs/<id>/attempts/<number> */
  readonly runUri: string;
}

export interface Policy {
  /** https://github.com */
  readonly serverUrl: string;
  /** `owner/name` */
  readonly repository: string;
  /** Pinned: a name can be given up and taken by someone else. */
  readonly repositoryId?: string | undefined;
  readonly ownerId?: string | undefined;
  /**
   * `owner/name/.github/workflows/file.yml`, of any ref, or with `@` and the one ref that it must be of; otherwise any
   * workflow of the repository, or this project's own.
   */
  readonly signerWorkflow?: string | undefined;
  /** Beside tags: the default branch, and the one that was asked for. */
  readonly branches: readonly string[];
  readonly allowSelfHosted: boolean;
}

/** @throws BottleError `not-trusted`, naming what differs, with expected and got */
export function requireIdentity(identity: Identity, policy: Policy): void {
  const { serverUrl, repository, branches } = policy;
  const uri = `${serverUrl}/${repository}`;
  requireEqual('issuer', ISSUER, identity.issuer);
  requireEqual('repository', uri.toLowerCase(), identity.repository.toLowerCase());
  requireEqual('repository ID', policy.repositoryId ?? identity.repositoryId, identity.repositoryId);
  requireEqual('owner ID', policy.ownerId ?? identity.ownerId, identity.ownerId);
  requireEqual('certificate subject', identity.signer, identity.subject);
  requireRule(
    'workflow',
    policy.signerWorkflow ?? `one of ${repository}, or ${PACK_WORKFLOW}`,
    identity.signer,
    isSigner(identity.signer, policy),
    'if that workflow is meant to sign, name it with --signer-workflow',
  );
  requireRule(
    'ref',
    ['a tag', ...branches.map((branch) => `refs/heads/${branch}`)].join(' or '),
    identity.ref,
    identity.ref.startsWith('refs/tags/') || branches.some((each) => identity.ref === `refs/heads/${each}`),
  );
  requireRule(
    'runner',
    'github-hosted',
    identity.runnerEnvironment,
    policy.allowSelfHosted || identity.runnerEnvironment === 'github-hosted',
    'if you trust the machine that it ran on, use --allow-self-hosted',
  );
  requireRule('trigger', TRIGGERS.join(', '), identity.trigger, TRIGGERS.includes(identity.trigger));
}

/**
 * Without a ref the file counts, in whatever version: everyone who can push a branch or a tag to the workflow's repository
 * can change what is there under its name.
 */
function isSigner(signer: string, { serverUrl, repository, signerWorkflow }: Policy): boolean {
  // A ref may hold an @ too, such as refs/tags/@acme/agent@1.2.0; the name of a file holds no slash.
  const at = signer.includes('@refs/') ? signer.indexOf('@refs/') : signer.lastIndexOf('@');
  const workflow = signer.slice(0, Math.max(0, at));
  if (signerWorkflow !== undefined) {
    return (signerWorkflow.includes('@') ? signer : workflow) === `${serverUrl}/${signerWorkflow}`;
  }
  const directory = `${serverUrl}/${repository}/.github/workflows/`.toLowerCase();
  const lowerCase = workflow.toLowerCase();
  const isOwn = lowerCase.startsWith(directory) && /^[^/@]+\.ya?ml$/.test(lowerCase.slice(directory.length));
  return isOwn || workflow === `${serverUrl}/${PACK_WORKFLOW}`;
}

export function requireEqual(field: string, expected: string, got: string | undefined): void {
  requireRule(field, expected, got, got === expected);
}

function requireRule(
  field: string,
  expected: string,
  got: string | undefined,
  ok: boolean,
  hint = 'do not use it before you know why; it may be made to look like another one',
): void {
  if (!ok) {
    const shown = got === undefined ? 'none' : JSON.stringify(got);
    const message = `provenance of something else: the ${field} is ${shown}, expected ${expected}`;
    // Also what is expected may be someone else's words: a record's.
    throw new BottleError('not-trusted', message, { hint });
  }
}
