import { t as BottleError } from "./errors.mjs";
import { n as quoted } from "./shown-text.mjs";
// src/identity/image-reference.ts
/** Distribution's reference grammar, loosely; what matters here is that it cannot be read as an option. */
const REFERENCE = /^[A-Za-z0-9][\w./:@-]{0,511}$/;
function parseImageReference(text) {
	if (!REFERENCE.test(text)) throw new BottleError("usage", `not an image name: ${quoted(text)}`, { hint: "use a name such as claude-bottle:latest or ghcr.io/owner/image@sha256:…" });
	return text;
}
export { parseImageReference as t };
