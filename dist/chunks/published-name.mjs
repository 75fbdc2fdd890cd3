// src/identity/published-name.ts
/** A Sigstore bundle is published beside its sidecar under the name with this behind it. */
const BUNDLE_SUFFIX = ".sigstore.json";
/** Names of published sidecars: those of the action's workflow artifacts, and of a release's assets. */
function publishedName(platform, key) {
	return `smolmachine-${platform.replace("/", "-")}-${key.slice(0, 16)}.smolmachine`;
}
export { publishedName as n, BUNDLE_SUFFIX as t };
