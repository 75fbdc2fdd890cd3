import { BottleError } from '../errors.ts';
import { defaultBranchOf } from '../git/history.ts';
import type { TrustOptions } from '../trust/judge.ts';
import { unlessNamed } from './checkout-origin.ts';
import type { FetchOptions } from './flags/fetch.ts';

/** Where a clone does not say what its remote's default branch is. */
const USUAL_DEFAULT_BRANCH = 'main';

/** What every command has that decides whom to trust. */
export type TrustCommandOptions = Pick<
  FetchOptions,
  'context' | 'provenance' | 'allowOlder' | 'trustedRoot' | 'signerWorkflow' | 'allowSelfHosted' | 'branch'
> & { readonly repo?: string | undefined };

export async function trustOf(options: TrustCommandOptions): Promise<TrustOptions> {
  const { provenance, allowOlder = false, allowSelfHosted = false, signerWorkflow, trustedRoot } = options;
  if (
    signerWorkflow !== undefined &&
    !/^[\w.-]+\/[\w.-]+\/\.github\/workflows\/[\w.-]+\.ya?ml(@\S+)?$/.test(signerWorkflow)
  ) {
    throw new BottleError('usage', `not a workflow: ${JSON.stringify(signerWorkflow)}`, {
      hint: 'use OWNER/NAME/.github/workflows/FILE.yml, or that with @refs/tags/TAG behind it',
    });
  }
  const ofRemote = await unlessNamed(options.repo, defaultBranchOf(options.context));
  const defaultBranch = ofRemote ?? USUAL_DEFAULT_BRANCH;
  return {
    provenance,
    allowOlder,
    allowSelfHosted,
    signerWorkflow,
    trustedRoot,
    branches: [defaultBranch, ...options.branch],
  };
}
