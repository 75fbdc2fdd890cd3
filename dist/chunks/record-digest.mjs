import { t as canonicalize } from "./canonicalize.mjs";
import { createHash } from "node:crypto";
// src/trust/record-digest.ts
/**
* What is signed of a pack record: its content, whatever it is printed like (RFC 8785). It is signed together with the
* sidecar, or an old sidecar could be passed off for new inputs with a record of someone's own.
*/
function recordSha256(record) {
	return createHash("sha256").update(canonicalize(record) ?? "").digest("hex");
}
export { recordSha256 as t };
