import { BottleError } from '../errors.ts';
import type { InputsKey } from '../identity/inputs-key.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import type { Store } from '../store/store.ts';
import { decideProvenance, type ProvenanceMode, type Verified } from '../trust/decide.ts';
import { readMemory, remember } from '../trust/trust-memory.ts';
import type { Offer, SourceTools, Wanted } from './source.ts';

/** How far a signature is asked for, and whose. */
export interface TrustOptions {
  readonly provenance: ProvenanceMode;
  readonly allowOlder: boolean;
  /** A file of trust roots, instead of those that are built in. */
  readonly trustedRoot?: string | undefined;
  /** `owner/name/.github/workflows/file.yml`, with `@` and a ref if it must be of that one */
  readonly signerWorkflow?: string | undefined;
  readonly allowSelfHosted: boolean;
  /** Beside tags, what a sidecar may have been packed for. */
  readonly branches: readonly string[];
}

export interface Judged {
  /** Undefined where nobody signed and nobody need have. */
  readonly verified: Verified | undefined;
  /** To be called once the sidecar itself has passed all checks: from then on its repository has to sign. */
  remember(): Promise<void>;
}

/**
 * Who packed what is offered, before any byte of it is asked for.
 * @throws BottleError `not-trusted`
 */
export async function judgeOffer(
  offer: Pick<Offer, 'record' | 'bundles'>,
  { repository }: Pick<Wanted, 'repository'>,
  trust: TrustOptions,
  { store, tools }: { store: Store; tools: SourceTools },
): Promise<Judged> {
  if (trust.provenance === 'off') {
    return { verified: undefined, remember: async () => {} };
  }
  const published = await offer.bundles();
  if (repository === undefined) {
    return requireNothing(trust, published);
  }
  const { serverUrl } = tools.github;
  const place = { ...store.trustPlace, serverUrl, repository };
  const memory = await readMemory(place);
  const { record } = offer;
  const verified = await decideProvenance({
    mode: trust.provenance,
    bundles: published,
    record,
    policy: { serverUrl, repository, ...trust },
    memory,
    allowOlder: trust.allowOlder,
    trustedRootPath: trust.trustedRoot,
  });
  return {
    verified,
    remember: async () => {
      if (verified !== undefined) {
        await remember(place, verified.provenance, record.inputs?.key as InputsKey | undefined);
      }
    },
  };
}

/** Only `required` asks for a signature of what is in the store: it may have come before, or from here. */
export async function acceptsStored(
  record: PackRecord,
  wanted: Pick<Wanted, 'repository'>,
  trust: TrustOptions,
  places: { store: Store; tools: SourceTools },
): Promise<boolean> {
  if (trust.provenance !== 'required') {
    return true;
  }
  const bundle = await places.store.readBundle(record.sidecar.sha256);
  if (bundle === undefined) {
    return false;
  }
  await judgeOffer({ record, bundles: async () => [bundle] }, wanted, { ...trust, allowOlder: true }, places);
  return true;
}

/** A signature says whose it is; whose it must be has to be known. */
function requireNothing(trust: TrustOptions, published: readonly Buffer[]): Judged {
  if (published.length > 0 || trust.provenance === 'required') {
    throw new BottleError(
      'not-trusted',
      'it is not known whose sidecar this must be: there is no repository',
      {
        hint: 'name it: --repo OWNER/NAME',
      },
    );
  }
  return { verified: undefined, remember: async () => {} };
}
