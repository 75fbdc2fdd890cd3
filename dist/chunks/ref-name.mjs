// src/identity/ref-name.ts
const MAX_BYTES = 250;
/**
* Whether a tag can have this name.
* https://git-scm.com/docs/git-check-ref-format
*/
function isTagName(name) {
	return name !== "" && name.isWellFormed() && Buffer.byteLength(name) <= MAX_BYTES && !/[\p{Cc} ~^:?*[\\]|\.\.|@\{/u.test(name) && !name.startsWith("-") && !name.endsWith(".") && name.split("/").every((part) => part !== "" && !part.startsWith(".") && !part.endsWith(".lock"));
}
export { isTagName as t };
