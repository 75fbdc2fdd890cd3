import { n as require_dist, t as require_dist$1 } from "./dist2.mjs";
import { i as fileError, t as BottleError } from "./errors.mjs";
import { n as github_default, t as public_good_default } from "./public-good.mjs";
import { X509Certificate } from "node:crypto";
import * as fs from "node:fs/promises";
// src/provenance/roots.ts
var import_dist = require_dist();
var import_dist$1 = require_dist$1();
const MAX_ROOTS_BYTES = 4194304;
/**
* The instance that signs for public repositories, and the one that GitHub runs for private ones. They are files of
* ours because a TUF client needs the network at its first use (roots/README.md).
*/
function builtInRoots() {
	return [parseRoot("public-good", public_good_default), parseRoot("github", github_default)];
}
/**
* `--trusted-root`: what `gh attestation trusted-root` prints, or one trusted_root.json.
* @throws BottleError `usage` when it is none
*/
async function readRoots(path) {
	const text = await readSmallFile(path);
	try {
		return parseOneOrLines(text).map((json, index) => parseRoot(`${path} (${index + 1})`, json));
	} catch (cause) {
		throw new BottleError("usage", `${path} is no trusted root of Sigstore`, {
			hint: "write one with gh attestation trusted-root > FILE",
			cause
		});
	}
}
/** @throws Error when it is none */
function parseRoot(name, json) {
	const root = import_dist.TrustedRoot.fromJSON(json);
	const authorities = root.certificateAuthorities.flatMap(({ certChain }) => certChain?.certificates ?? []).map(({ rawBytes }) => new X509Certificate(rawBytes));
	if (authorities.length === 0) throw new Error("it names no certificate authority");
	return {
		name,
		material: (0, import_dist$1.toTrustMaterial)(root),
		authorities
	};
}
async function readSmallFile(path) {
	try {
		const { size } = await fs.stat(path);
		return size > MAX_ROOTS_BYTES ? "" : await fs.readFile(path, "utf8");
	} catch (error) {
		throw fileError(`cannot read the trusted root ${path}`, error);
	}
}
function parseOneOrLines(text) {
	try {
		return [JSON.parse(text)];
	} catch {
		return text.trim().split("\n").map((line) => JSON.parse(line));
	}
}
export { builtInRoots, readRoots };
