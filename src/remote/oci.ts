import type { Readable } from 'node:stream';
import * as z from 'zod/mini';
import { BottleError } from '../errors.ts';
import { type Digest, isDigest } from '../identity/image-id.ts';
import { counted } from '../identity/shown-text.ts';
import {
  type ByteRange,
  type Credential,
  type HttpAnswer,
  type HttpRequest,
  rangeHeaders,
  type StreamedBody,
} from './http.ts';
import { HttpError, unlessMissing } from './http-error.ts';
import { type Access, RegistryAuth, type RegistryTools } from './oci-auth.ts';
import {
  digestOf,
  INDEX_TYPE,
  isIndex,
  MANIFEST_TYPES,
  manifestSchema,
  type OciDescriptor,
  type OciImage,
  type OciIndex,
  parseAnswer,
  referrersSchema,
} from './oci-manifest.ts';
import { type OciRepositoryName, originOf } from './oci-reference.ts';
import { redacted } from './url.ts';

export type { RegistryTools } from './oci-auth.ts';

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_TAGS_PAGE_BYTES = 1024 * 1024;
const TAGS_PER_PAGE = 1000;
const MAX_TAGS_PAGES = 20;
const MAX_REFERRERS_PAGES = 5;
/** These ask for a login, or for time. All other failures of HEAD say nothing about GET. */
const NOT_ABOUT_HEAD = [401, 408, 429];
/** A link has one relation or several, and other parameters before them. */
const NEXT_PAGE = /;\s*rel\s*=\s*"?(?:[^",;]*\s)?next(?:[\s",;]|$)/i;
/** What a registry answers that does not know the question; 303 leads to a page for people. */
const NO_REFERRERS = [303, 400, 404, 405, 406, 501];

export interface OciManifest {
  /** The digest of the bytes that came. */
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly content: OciIndex | OciImage;
}

/** One repository of an OCI registry (https://github.com/opencontainers/distribution-spec/blob/main/spec.md). */
export class OciRepository {
  readonly name: OciRepositoryName;
  readonly #origin: string;
  readonly #tools: RegistryTools;
  readonly #auth: RegistryAuth;

  constructor(name: OciRepositoryName, tools: RegistryTools, access: Access = 'pull') {
    this.name = name;
    this.#origin = originOf(name.registry);
    this.#tools = tools;
    this.#auth = new RegistryAuth(name, access, tools);
  }

  /**
   * An index or an image manifest, by tag or digest.
   * @throws BottleError `sidecar-damaged` for bytes that are not the digest's, or no manifest
   */
  async getManifest(tagOrDigest: string): Promise<OciManifest> {
    const url = this.#url(`manifests/${tagOrDigest}`);
    const { answer, bytes } = await this.#read({ url, headers: acceptManifests() }, MAX_MANIFEST_BYTES);
    const digest = digestOf(bytes);
    requireDigest(digest, [tagOrDigest, answer.headers['docker-content-digest']], answer.url);
    return { digest, sizeBytes: bytes.length, content: parseAnswer(manifestSchema, bytes, answer.url) };
  }

  /** Undefined when there is none. */
  async findManifest(tagOrDigest: string): Promise<OciManifest | undefined> {
    return await unlessMissing(this.getManifest(tagOrDigest));
  }

  /** The digest that a tag points at, or the digest itself if it is there; undefined when there is nothing. */
  async findDigest(tagOrDigest: string): Promise<Digest | undefined> {
    const url = this.#url(`manifests/${tagOrDigest}`);
    const { status, headers } = await this.#tools.http.retry(() =>
      this.#look({ url, headers: acceptManifests() }),
    );
    const digest = String(headers['docker-content-digest']);
    // 404 is not believed either: there are registries that know HEAD for some media types only.
    return status === 200 && isDigest(digest) ? digest : (await this.findManifest(tagOrDigest))?.digest;
  }

  /** HEAD is an optimization: a registry, or a proxy before it, that refuses it may well answer to GET. */
  async #look(request: HttpRequest): Promise<HttpAnswer> {
    return await this.#finish({ ...request, method: 'HEAD', expected: [200, 404] }).catch(
      (error: unknown) => {
        if (!(error instanceof HttpError) || NOT_ABOUT_HEAD.includes(error.status)) {
          throw error;
        }
        return this.#open({ ...request, expected: [200, 404] });
      },
    );
  }

  /** For an answer whose body is not of interest, and may be long. */
  async #open(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#send(request);
    answer.body.destroy();
    return answer;
  }

  /** One try, as far as the connection goes; with `range` for a part: 206, or 200 with the whole. */
  async openBlob(digest: Digest, range?: ByteRange): Promise<HttpAnswer> {
    const headers = range && rangeHeaders(range);
    const expected = range === undefined ? [200] : [200, 206];
    return await this.#send({ url: this.#url(`blobs/${digest}`), ...(headers && { headers }), expected });
  }

  /** @throws BottleError `sidecar-damaged` for bytes that are not the digest's, or too many */
  async readBlob(digest: Digest, maxBytes: number): Promise<Buffer> {
    const { answer, bytes } = await this.#read({ url: this.#url(`blobs/${digest}`) }, maxBytes);
    requireDigest(digestOf(bytes), [digest], answer.url);
    return bytes;
  }

  /** In the registry's order; `isComplete` is false when they went on after the 20th page. */
  async listTags(): Promise<{ readonly tags: readonly string[]; readonly isComplete: boolean }> {
    let tags: string[] = [];
    let next: string | undefined = this.#url(`tags/list?n=${TAGS_PER_PAGE}`);
    for (let page = 0; page < MAX_TAGS_PAGES && next !== undefined; page += 1) {
      const url: string = next;
      const { answer, bytes } = await this.#read({ url }, MAX_TAGS_PAGE_BYTES);
      tags = tags.concat(parseAnswer(tagsSchema, bytes, url).tags ?? []);
      next = this.#nextPage(answer.headers.link, url);
    }
    return { tags, isComplete: next === undefined };
  }

  /** Manifests whose subject is this one: by the referrers API, or under the tag that stands in for it. */
  async listReferrers(subject: Digest): Promise<readonly OciDescriptor[]> {
    const listed = await this.#askForReferrers(subject);
    if (listed !== undefined) {
      return listed;
    }
    const index = (await this.findManifest(referrersTag(subject)))?.content;
    return index !== undefined && isIndex(index) ? index.manifests : [];
  }

  /** Undefined from a registry without the API. */
  async #askForReferrers(subject: Digest): Promise<OciDescriptor[] | undefined> {
    let referrers: OciDescriptor[] = [];
    let next: string | undefined = this.#url(`referrers/${subject}`);
    for (let page = 0; page < MAX_REFERRERS_PAGES && next !== undefined; page += 1) {
      const url: string = next;
      const request = { url, headers: { accept: INDEX_TYPE }, expected: [200, ...NO_REFERRERS] };
      const { answer, bytes } = await this.#read(request, MAX_MANIFEST_BYTES);
      if (answer.status !== 200 || !answer.headers['content-type']?.startsWith(INDEX_TYPE)) {
        return undefined;
      }
      referrers = referrers.concat(parseAnswer(referrersSchema, bytes, answer.url).manifests ?? []);
      next = this.#nextPage(answer.headers.link, url);
    }
    return referrers;
  }

  /**
   * Uploads what is not there yet, in one request; a failure that may pass is tried again with a new upload.
   * @returns whether anything was sent
   */
  async pushBlob(digest: Digest, body: Buffer | StreamedBody): Promise<boolean> {
    return await this.#tools.http.retry(async () => {
      const url = this.#url(`blobs/${digest}`);
      const { status } = await this.#look({ url });
      if (status === 404) {
        await this.#upload(await this.#startUpload(), digest, body);
      }
      return status === 404;
    });
  }

  /** @returns where to: an address that may hold its own permission */
  async #startUpload(): Promise<URL> {
    const url = this.#url('blobs/uploads/');
    const { headers } = await this.#finish({ url, method: 'POST', expected: [202] });
    const place = URL.parse(headers.location ?? '', url);
    if (headers.location === undefined || place === null) {
      throw new BottleError(
        'upload-failed',
        `${url} answered 202 and did not say where to upload (Location)`,
        {
          hint: 'check that no proxy drops the header, or tell the operator of the registry',
        },
      );
    }
    if (place.origin !== this.#origin) {
      throw new BottleError(
        'upload-failed',
        `${url} wants the upload at ${redacted(place.href)}: refused, since the registry is ${this.#origin}`,
        { hint: 'ask the operator of the registry to set its public address (http.host), with its scheme' },
      );
    }
    return place;
  }

  async #upload(place: URL, digest: Digest, body: Buffer | StreamedBody): Promise<void> {
    // By hand: URLSearchParams would rewrite the rest of the query, and it may be signed.
    place.search += `${place.search === '' ? '?' : '&'}digest=${encodeURIComponent(digest)}`;
    let opened: Readable | undefined;
    const open = (streamed: StreamedBody) => () => {
      opened?.destroy();
      opened = streamed.open();
      return opened;
    };
    try {
      await this.#finish({
        url: place.href,
        method: 'PUT',
        headers: { 'content-type': 'application/octet-stream' },
        body: 'open' in body ? { sizeBytes: body.sizeBytes, open: open(body) } : body,
        expected: [200, 201, 202, 204],
      });
    } catch (error) {
      throw tooLargeError(error, 'open' in body ? body.sizeBytes : body.length) ?? error;
    } finally {
      // After a refusal in the middle: nobody is interested in the rest.
      opened?.destroy();
    }
  }

  /** Under its digest, or under a tag, which then points at it. */
  async putManifest(
    tagOrDigest: string,
    bytes: Buffer,
    mediaType: string,
  ): Promise<{ readonly digest: Digest; readonly hasReferrersApi: boolean }> {
    const { headers } = await this.#tools.http.retry(() =>
      this.#finish({
        url: this.#url(`manifests/${tagOrDigest}`),
        method: 'PUT',
        headers: { 'content-type': mediaType },
        body: bytes,
        // 201 is what the specification asks for; quay.io has answered 202, and others answer 200.
        expected: [200, 201, 202],
      }),
    );
    return { digest: digestOf(bytes), hasReferrersApi: headers['oci-subject'] !== undefined };
  }

  #url(path: string): string {
    return `${this.#origin}/v2/${this.name.repository}/${path}`;
  }

  async #read(request: HttpRequest, maxBytes: number) {
    return await this.#auth.authorized((credential) =>
      this.#tools.http.read({ ...request, credential }, maxBytes),
    );
  }

  async #send(request: HttpRequest): Promise<HttpAnswer> {
    return await this.#auth.authorized((credential: Credential | undefined) =>
      this.#tools.http.send({ ...request, credential }),
    );
  }

  /** For an answer of which only the head matters. */
  async #finish(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#send(request);
    answer.body.resume();
    return answer;
  }

  /** https://datatracker.ietf.org/doc/html/rfc8288. Behind a proxy, a registry may not know by which scheme it was asked. */
  #nextPage(link: string | string[] | undefined, from: string): string | undefined {
    const links = [...String(link ?? '').matchAll(/<([^<>]+)>([^<]*)/g)];
    const [, target] = links.find(([, , parameters = '']) => NEXT_PAGE.test(parameters)) ?? [];
    const url = target === undefined ? null : URL.parse(target, from);
    return url?.host === new URL(this.#origin).host
      ? `${this.#origin}${url.pathname}${url.search}`
      : undefined;
  }
}

/** https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema */
export function referrersTag(subject: Digest): string {
  return subject.replace(':', '-');
}

function acceptManifests(): Record<string, string> {
  return { accept: MANIFEST_TYPES.join(', ') };
}

function requireDigest(found: Digest, promises: readonly unknown[], url: string): void {
  for (const promised of promises) {
    if (typeof promised === 'string' && isDigest(promised) && promised !== found) {
      throw new BottleError('sidecar-damaged', `${redacted(url)} has the digest ${found}, not ${promised}`, {
        hint: 'try again; if it stays so, tell the operator of the registry',
      });
    }
  }
}

function tooLargeError(error: unknown, sizeBytes: number): BottleError | undefined {
  return error instanceof HttpError && error.status === 413
    ? new BottleError(
        'upload-failed',
        `${error.message}: it does not take ${counted(sizeBytes, 'byte')} at once`,
        {
          hint: 'raise the limit of the registry, or of the proxy before it (nginx: client_max_body_size)',
          cause: error,
        },
      )
    : undefined;
}

/** Some registries say null for none. */
const tagsSchema = z.object({ tags: z.nullable(z.array(z.string())) });
