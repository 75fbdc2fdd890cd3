import { t as BottleError } from "./errors.mjs";
// src/identity/image-id.ts
const DIGEST = /^sha256:[0-9a-f]{64}$/;
function isDigest(text) {
	return DIGEST.test(text);
}
function parseImageId(text) {
	if (!isDigest(text)) throw new BottleError("docker-failed", `not an image ID: ${JSON.stringify(text)}`, { hint: "the engine names images sha256:<64 hex digits>; check that `docker image inspect` does" });
	return text;
}
function id16(digest) {
	return digest.slice(7, 23);
}
/** Accepts an image ID, its 64 hex digits, or an id16. */
function parseId16(text) {
	const hex = text.replace(/^sha256:/, "");
	return /^([0-9a-f]{16}|[0-9a-f]{64})$/.test(hex) ? hex.slice(0, 16) : void 0;
}
export { parseImageId as i, isDigest as n, parseId16 as r, id16 as t };
