import { t as BottleError } from "./errors.mjs";
import { C as _nonnegative, _ as string, c as looseObject, f as object, h as record, i as array, l as nullable, o as int, p as optional, r as _undefined, s as literal, v as union } from "./schemas.mjs";
import { t as GUEST_PLATFORMS } from "./platform.mjs";
import { s as redacted } from "./http.mjs";
import { createHash } from "node:crypto";
// src/identity/oci-names.ts
/** The layout of `smolvm pack push`. Source: smolvm, crates/smolvm-registry/src/lib.rs and push.rs. */
const SIDECAR_MEDIA_TYPE = "application/vnd.smolmachines.smolmachine.v1";
const SIDECAR_CONFIG_MEDIA_TYPE = "application/vnd.smolmachines.machine.config.v1+json";
const PACK_MODE_ANNOTATION = "com.smolmachines.pack.mode";
/** Of the manifest: name and tag. Of the layer: the file's name, without which `oras pull` leaves the layer out. */
const TITLE_ANNOTATION = "org.opencontainers.image.title";
/** Of a platform's manifest: the pack record as JSON, one request less than a referrer. */
const PACK_RECORD_ANNOTATION = "dev.claude-bottle.pack-record";
/** https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md */
const BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const ANY_BUNDLE_TYPE = /^application\/vnd\.dev\.sigstore\.bundle[.+]/;
/** Shorter than a registry's 128, for the platform behind it. */
const VERSION_TAG = /^\w[\w.-]{0,111}$/;
const KEY_TAG = /^k-[0-9a-f]{32}$/;
const COMMIT_TAG = /^sha-[0-9a-f]{40,64}$/;
/** Registries refuse capitals, which GitHub's names may have. */
function registryRepository(repository) {
	return `${repository.toLowerCase()}/smolmachine`;
}
function keyTag(key) {
	return `k-${key.slice(0, 32)}`;
}
function commitTag(commit) {
	return `sha-${commit}`;
}
/** Of one platform, under the tag of all: `k-…-linux-arm64`. */
function platformTag(tag, platform) {
	return `${tag}-${platform.replace("/", "-")}`;
}
/** The tags that the platforms of one workflow run share: its commit, and the Git tag that it runs for. */
function sharedTags({ commit, ref }) {
	const version = /^refs\/tags\/(.+)$/.exec(ref)?.[1];
	return [commitTag(commit), ...version !== void 0 && isVersionTag(version) ? [version] : []];
}
/** Whether a Git tag can be one of the registry that is not taken for something else. */
function isVersionTag(tag) {
	return VERSION_TAG.test(tag) && !/^(k-|sha-|sha256-)/.test(tag) && tag === withoutPlatform(tag);
}
/** A tag that was made from a key or a commit, or one of its platforms': such tags become old. */
function isGeneratedTag(tag) {
	const shared = withoutPlatform(tag);
	return KEY_TAG.test(shared) || COMMIT_TAG.test(shared);
}
function withoutPlatform(tag) {
	const suffix = GUEST_PLATFORMS.map((platform) => platformTag("", platform)).find((end) => tag.endsWith(end));
	return suffix === void 0 ? tag : tag.slice(0, -suffix.length);
}
function isBundleType(type) {
	return ANY_BUNDLE_TYPE.test(type);
}
// src/remote/oci-manifest.ts
/** https://github.com/opencontainers/image-spec/blob/main/media-types.md */
const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";
const IMAGE_TYPE = "application/vnd.oci.image.manifest.v1+json";
/** With what Docker called them before. */
const MANIFEST_TYPES = [
	INDEX_TYPE,
	IMAGE_TYPE,
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.docker.distribution.manifest.v2+json"
];
/**
* https://github.com/opencontainers/image-spec/blob/main/descriptor.md. Fields that are not listed are kept: who changes
* an index must not lose what others have put there.
*/
const descriptorSchema = looseObject({
	mediaType: string(),
	digest: string(),
	size: int().check(_nonnegative()),
	artifactType: optional(string()),
	annotations: optional(record(string(), string())),
	platform: optional(looseObject({
		os: string(),
		architecture: string()
	}))
});
const indexSchema = looseObject({
	schemaVersion: literal(2),
	mediaType: optional(string()),
	manifests: array(descriptorSchema),
	layers: optional(_undefined())
});
const imageSchema = looseObject({
	schemaVersion: literal(2),
	mediaType: optional(string()),
	artifactType: optional(string()),
	config: descriptorSchema,
	layers: array(descriptorSchema),
	subject: optional(descriptorSchema),
	annotations: optional(record(string(), string())),
	manifests: optional(_undefined())
});
/** What is both an index and an image, for one reader this and for another that, is neither. */
const manifestSchema = union([indexSchema, imageSchema]);
/** Some registries say null for none. */
const referrersSchema = object({ manifests: nullable(array(descriptorSchema)) });
function isIndex(content) {
	return content.manifests !== void 0;
}
function digestOf(bytes) {
	return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
/** As smolvm writes what it pushes. */
function prettyJson(value) {
	return Buffer.from(JSON.stringify(value, void 0, 2));
}
function parseAnswer(schema, bytes, url) {
	let json;
	try {
		json = JSON.parse(bytes.toString("utf8"));
	} catch (error) {
		throw unexpectedAnswer(url, error);
	}
	const parsed = schema.safeParse(json);
	if (!parsed.success) throw unexpectedAnswer(url, parsed.error);
	return parsed.data;
}
function unexpectedAnswer(url, cause) {
	return new BottleError("sidecar-damaged", `${redacted(url)} answered with something else than the OCI asks for`, {
		hint: "check that the address is right and that no proxy answers in its place, or update claude-bottle",
		cause
	});
}
export { sharedTags as C, registryRepository as S, commitTag as _, isIndex as a, keyTag as b, prettyJson as c, BUNDLE_TYPE as d, PACK_MODE_ANNOTATION as f, TITLE_ANNOTATION as g, SIDECAR_MEDIA_TYPE as h, digestOf as i, referrersSchema as l, SIDECAR_CONFIG_MEDIA_TYPE as m, INDEX_TYPE as n, manifestSchema as o, PACK_RECORD_ANNOTATION as p, MANIFEST_TYPES as r, parseAnswer as s, IMAGE_TYPE as t, unexpectedAnswer as u, isBundleType as v, withoutPlatform as w, platformTag as x, isGeneratedTag as y };
