// src/identity/published-name.ts
/** A Sigstore bundle is published beside its sidecar under the name with this behind it. */
const BUNDLE_SUFFIX = ".sigstore.json";
/** Names of published sidecars: those of the action's workflow artifacts, and of a release's assets. */
function publishedName(platform, key) {
	return `smolmachine-${platform.replace("/", "-")}-${key.slice(0, 16)}.smolmachine`;
}
/** A sidecar of that name, its bundle or its record: the sidecar's name, and what is behind it. */
const PUBLISHED_FILE = /^(smolmachine-linux-(?:amd64|arm64)-[0-9a-f]{16}\.smolmachine)(\.sigstore\.json|\.json)?$/;
export { PUBLISHED_FILE as n, publishedName as r, BUNDLE_SUFFIX as t };
