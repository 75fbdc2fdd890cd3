import { hash } from 'node:crypto';
import type { InputsKey } from '../identity/inputs-key.ts';
import { isSameRepository, type PackRecord, readableRecord } from '../identity/pack-record.ts';
import { GUEST_PLATFORMS, type GuestPlatform } from '../identity/platform.ts';
import { PUBLISHED_FILE, publishedName } from '../identity/published-name.ts';
import type { Asset } from './release-api.ts';

/** What a release has, and what its sums and records say. */
export interface ReleaseContents {
  readonly assets: readonly Asset[];
  /** The content of the sums and records that are whole, by name (`isText`). */
  readonly texts: ReadonlyMap<string, Buffer>;
}

/** What the sidecars of a release must have been packed from. */
export interface PackedFrom {
  /** `owner/name` */
  readonly repository: string;
  readonly commit: string;
}

/** Beside the sidecars of each platform, in the format of sha256sum. */
export function sumsName(platform: GuestPlatform): string {
  return `SHA256SUMS-${platform.replace('/', '-')}`;
}

export function isText(name: string): boolean {
  return isRecord(name) || GUEST_PLATFORMS.some((platform) => name === sumsName(platform));
}

/**
 * The files of each sidecar that was packed from another commit of this repository, as its record says, and the sums that
 * name them. A sidecar without a record stays, because another job may not have uploaded its record yet. The records
 * are last: when the removal breaks off, they still say what is to go.
 */
export function findStale({ assets, texts }: ReleaseContents, { repository, commit }: PackedFrom): Asset[] {
  const isStale = (name: string) => {
    const source = recordOf(sidecarOf(name), texts)?.source;
    return (
      source !== undefined && isSameRepository(source.repository, repository) && source.commit !== commit
    );
  };
  return assets
    .filter(({ name }) => isStale(name) || [...sumsOf(name, texts).keys()].some(isStale))
    .sort((a, b) => Number(isRecord(a.name)) - Number(isRecord(b.name)));
}

/** The platforms that are not whole, of the expected ones and of those that have any file in the release. */
export function findMissingPlatforms(
  contents: ReleaseContents,
  expected: readonly GuestPlatform[],
  origin: PackedFrom,
): GuestPlatform[] {
  return GUEST_PLATFORMS.filter((platform) => {
    const isExpected =
      expected.includes(platform) || contents.assets.some(({ name }) => isOf(platform, name));
    return isExpected && !isWhole(platform, contents, origin);
  });
}

function isOf(platform: GuestPlatform, name: string): boolean {
  const prefix = `smolmachine-${platform.replace('/', '-')}-`;
  return name === sumsName(platform) || sidecarOf(name)?.startsWith(prefix) === true;
}

/** All that the sums name is there, and of each sidecar a record that is of this origin. */
function isWhole(platform: GuestPlatform, { assets, texts }: ReleaseContents, origin: PackedFrom): boolean {
  const sums = sumsOf(sumsName(platform), texts);
  const uploaded = assets.filter(({ state }) => state === 'uploaded');
  const digests = new Map(uploaded.map(({ name, digest }) => [name, digest ?? undefined]));
  return (
    sums.size > 0 &&
    [...sums].every(
      ([name, sha256]) =>
        isOf(platform, name) &&
        digests.has(name) &&
        [undefined, `sha256:${sha256}`].includes(digests.get(name)) &&
        isVouchedFor(sidecarOf(name), sums, texts, origin),
    )
  );
}

function isVouchedFor(
  sidecar: string | undefined,
  sums: ReadonlyMap<string, string>,
  texts: ReleaseContents['texts'],
  { repository, commit }: PackedFrom,
): boolean {
  const record = recordOf(sidecar, texts);
  return (
    record?.inputs !== undefined &&
    publishedName(record.platform, record.inputs.key as InputsKey) === sidecar &&
    hash('sha256', texts.get(`${sidecar}.json`) ?? '') === sums.get(`${sidecar}.json`) &&
    record.sidecar.sha256 === sums.get(sidecar) &&
    record.source?.commit === commit &&
    isSameRepository(record.source.repository, repository)
  );
}

/**
 * Files of sidecars that neither sums nor a record vouch for: what a run that broke off has left. As long as a platform is
 * missing they can be what its job is bringing: to be asked when none is.
 */
export function findLeftovers({ assets, texts }: ReleaseContents): Asset[] {
  const named = new Set([...texts.keys()].flatMap((name) => [...sumsOf(name, texts).keys()]));
  return assets.filter(({ name }) => {
    const sidecar = sidecarOf(name);
    // Of two sidecars for one platform, the sums name the one that came last; the other has its record.
    const isVouched = recordOf(sidecar, texts) !== undefined && !named.has(sidecar ?? '');
    return sidecar !== undefined && !named.has(name) && !isVouched;
  });
}

/** The name of the sidecar that a file is or belongs to. */
function sidecarOf(name: string): string | undefined {
  return PUBLISHED_FILE.exec(name)?.[1];
}

function isRecord(name: string): boolean {
  return PUBLISHED_FILE.exec(name)?.[2] === '.json';
}

/** Also undefined for text that is not a record, or that is a record of a later version. */
function recordOf(sidecar: string | undefined, texts: ReleaseContents['texts']): PackRecord | undefined {
  return readableRecord(String(texts.get(`${sidecar}.json`) ?? ''));
}

/** SHA-256 by name; empty for text that is not a sums file. */
function sumsOf(name: string, texts: ReleaseContents['texts']): Map<string, string> {
  const text = isRecord(name) ? '' : (texts.get(name)?.toString('utf8') ?? '');
  return new Map(
    [...text.matchAll(/^([0-9a-f]{64}) [ *](.+)$/gm)].map(([, sha256 = '', file = '']) => [file, sha256]),
  );
}
