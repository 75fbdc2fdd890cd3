import { unescape as percentDecoded } from 'node:querystring';
import * as z from 'zod/mini';
import { BottleError } from '../errors.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { BUNDLE_SUFFIX, FRAMES_SUFFIX, publishedName } from '../identity/published-name.ts';
import { shownText } from '../identity/shown-schema.ts';
import { counted } from '../identity/shown-text.ts';
import { assetRequest, readApi, repositoryPath } from '../remote/github.ts';
import { unlessMissing } from '../remote/http-error.ts';
import { redacted } from '../remote/url.ts';
import { MAX_RECORD_BYTES } from '../sidecar/file.ts';
import { readBundles } from './bundle.ts';
import { damagedRecord, parseRecord } from './record.ts';
import { remoteFile } from './remote-file.ts';
import { type Offer, type Source, type SourceTools, type Wanted, withoutRepository } from './source.ts';

/** A commit of a repository with many packages has a tag for each; every one costs a question. */
const MAX_TAGS = 25;

const assetSchema = z.object({
  id: z.int(),
  name: z.string(),
  /** Not `uploaded` while it is being uploaded, and permanently when the upload broke off. */
  state: z.string(),
  size: z.int(),
  /** None on assets from before June 2025. */
  digest: z.nullish(z.string()),
});
const releaseSchema = z.object({ tag_name: shownText, assets: z.array(assetSchema) });

type Asset = z.infer<typeof assetSchema>;

/**
 * Assets of the release of `tag`; without one, of the releases of the checked-out commit's tags and of the latest.
 * Whatever is public is read from the release's pages, without the API and its rate limit; with a token, what is
 * missing there is looked for in the API.
 */
export function releaseSource(tag: string | undefined, tools: SourceTools): Source {
  const { github } = tools;
  return {
    name: tag === undefined ? 'GitHub release' : `GitHub release ${tag}`,
    find: async (wanted) => {
      const { repository } = wanted;
      if (repository === undefined) {
        return withoutRepository(wanted);
      }
      const name = publishedName(wanted.platform, wanted.key);
      const tried: string[] = [];
      let untried = 0;
      for await (const each of tag === undefined ? likelyTags(repository, wanted, tools) : [tag]) {
        if (tried.length === MAX_TAGS) {
          untried += 1;
          continue;
        }
        tried.push(each);
        const offer =
          (await offerOfPages(repository, each, name, tools)) ??
          (github.credential && (await offerOfApi(repository, each, name, tools)));
        if (offer !== undefined) {
          return offer;
        }
      }
      const missing =
        tried.length === 0
          ? `${repository} has no release`
          : `${repository} has no ${name} in ${tried.length === 1 ? 'release' : 'releases'} ${tried.join(', ')}`;
      const reasons = [
        missing,
        ...(untried > 0
          ? [`not asked for ${counted(untried, 'more tag')} of this commit (--from release:TAG)`]
          : []),
        ...(github.credential ? [] : ['for a private repository set GH_TOKEN']),
      ];
      return { skipped: reasons.join('; ') };
    },
    nearest: async ({ repository, platform }) =>
      repository === undefined
        ? undefined
        : await nearestRecord(repository, tag, namePrefix(platform), tools),
  };
}

/** The tags of the checked-out commit, of several the one of the latest release first; and the latest release's. */
async function* likelyTags(repository: string, wanted: Wanted, tools: SourceTools): AsyncGenerator<string> {
  const tags = await wanted.tags();
  if (tags.length === 1) {
    yield* tags;
  }
  const latest = await latestTag(repository, tools);
  const others = tags.length === 1 ? [] : tags;
  if (latest === undefined || !tags.includes(latest)) {
    yield* others.slice(0, MAX_TAGS - 1);
    yield* latest === undefined ? [] : [latest];
    yield* others.slice(MAX_TAGS - 1);
  } else if (tags.length > 1) {
    yield latest;
    yield* others.filter((tag) => tag !== latest);
  }
}

/** The page of the latest release is a redirect to that of its tag. */
async function latestTag(repository: string, { http, github }: SourceTools): Promise<string | undefined> {
  const url = `${github.serverUrl}/${repositoryPath(repository, 'releases', 'latest')}`;
  const answer = await unlessMissing(http.retry(() => http.send({ url, expected: [200, 302] })));
  answer?.body.destroy();
  const tag = /\/releases\/tag\/([^?#]+)$/.exec(answer?.headers.location ?? '')?.[1];
  if (tag !== undefined) {
    return percentDecoded(tag);
  }
  const release = github.credential && (await findRelease(repository, undefined, { http, github }));
  return release?.tag_name;
}

async function offerOfPages(
  repository: string,
  tag: string,
  name: string,
  { http, github }: SourceTools,
): Promise<Offer | undefined> {
  const pages = `${github.serverUrl}/${repositoryPath(repository, 'releases', 'download', tag)}`;
  const url = `${pages}/${name}`;
  const page = await unlessMissing(http.read({ url: `${url}.json` }, MAX_RECORD_BYTES));
  // A server that wants everyone to log in shows a form.
  if (page === undefined || page.answer.headers['content-type']?.startsWith('text/html')) {
    return undefined;
  }
  const record = parseRecord(page.bytes, `${url}.json`);
  const { sha256, sizeBytes } = record.sidecar;
  return {
    record,
    content: remoteFile(http, { url }, { sha256, sizeBytes }),
    address: `release:${tag}`,
    bundles: () => readBundles(http, { url: url + BUNDLE_SUFFIX }),
    frameIndex: async (maxBytes) => (await http.read({ url: url + FRAMES_SUFFIX }, maxBytes)).bytes,
  };
}

async function offerOfApi(
  repository: string,
  tag: string,
  name: string,
  tools: SourceTools,
): Promise<Offer | undefined> {
  const release = await findRelease(repository, tag, tools);
  const recordAsset = release?.assets.find((asset) => asset.name === `${name}.json`);
  const asset = release?.assets.find((each) => each.name === name);
  if (recordAsset === undefined || asset === undefined) {
    return undefined;
  }
  const record = await readRecordAsset(repository, recordAsset, tools);
  const { sha256, sizeBytes } = record.sidecar;
  requireSame(`the size of ${name} in release ${tag}`, asset.size, sizeBytes);
  requireSame(
    `the digest of ${name} in release ${tag}`,
    asset.digest ?? `sha256:${sha256}`,
    `sha256:${sha256}`,
  );
  return {
    record,
    content: remoteFile(tools.http, assetRequest(tools.github, repository, asset.id), {
      sha256,
      sizeBytes,
    }),
    address: `release:${tag}`,
    bundles: async () => {
      const bundle = release?.assets.find((each) => each.name === name + BUNDLE_SUFFIX);
      return bundle === undefined
        ? []
        : await readBundles(tools.http, assetRequest(tools.github, repository, bundle.id));
    },
    frameIndex: async (maxBytes) => {
      const index = release?.assets.find((each) => each.name === name + FRAMES_SUFFIX);
      if (index === undefined) {
        throw new BottleError('not-found', `release ${tag} has no ${name}${FRAMES_SUFFIX}`);
      }
      return (await tools.http.read(assetRequest(tools.github, repository, index.id), maxBytes)).bytes;
    },
  };
}

/** With the assets that are whole. */
async function findRelease(repository: string, tag: string | undefined, { http, github }: SourceTools) {
  const path = repositoryPath(repository, 'releases', ...(tag === undefined ? ['latest'] : ['tags', tag]));
  const release = await unlessMissing(readApi(http, github, `repos/${path}`, releaseSchema));
  return release && { ...release, assets: release.assets.filter(({ state }) => state === 'uploaded') };
}

async function readRecordAsset(repository: string, asset: Asset, tools: SourceTools): Promise<PackRecord> {
  const { bytes, answer } = await tools.http.read(
    assetRequest(tools.github, repository, asset.id),
    MAX_RECORD_BYTES,
  );
  return parseRecord(bytes, redacted(answer.url));
}

function requireSame(what: string, found: string | number, expected: string | number): void {
  if (found !== expected) {
    throw damagedRecord(`${what} is ${found}, and its pack record says ${expected}`);
  }
}

async function nearestRecord(
  repository: string,
  tag: string | undefined,
  prefix: string,
  tools: SourceTools,
): Promise<PackRecord | undefined> {
  const release = await findRelease(repository, tag, tools);
  const asset = release?.assets.find(
    ({ name }) => name.startsWith(prefix) && name.endsWith('.smolmachine.json'),
  );
  return asset && (await readRecordAsset(repository, asset, tools));
}

function namePrefix(platform: Wanted['platform']): string {
  return `smolmachine-${platform.replace('/', '-')}-`;
}
