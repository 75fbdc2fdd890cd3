import { t as canonicalize } from "./canonicalize.mjs";
import { D as _regex, O as $ZodISODateTime, S as _isoDateTime, T as _nonnegative, _ as refine, a as boolean, c as looseObject, i as array, k as $constructor, m as optional, n as _enum, o as int, s as literal, t as ZodMiniStringFormat, v as string } from "./schemas.mjs";
import { u as isDigest } from "./verify.mjs";
import { t as parseJson } from "./json.mjs";
import { t as GUEST_PLATFORMS } from "./platform.mjs";
import { createHash } from "node:crypto";
// node_modules/zod/v4/mini/iso.js
const ZodMiniISODateTime = /*@__PURE__*/ $constructor("ZodMiniISODateTime", (inst, def) => {
	$ZodISODateTime.init(inst, def);
	ZodMiniStringFormat.init(inst, def);
});
// @__NO_SIDE_EFFECTS__
function datetime(params) {
	return _isoDateTime(ZodMiniISODateTime, params);
}
// src/identity/shown-schema.ts
/** Text from somebody else that is shown to the user: it cannot move the cursor of a terminal. */
const shownText = string().check(_regex(/^\P{Cc}{0,500}$/u));
/** What can write a sidecar. */
const PACKERS = ["smolvm", "direct"];
const digest = string().check(refine(isDigest));
const sha256 = string().check(_regex(/^[0-9a-f]{64}$/));
const sizeBytes = int().check(_nonnegative());
/**
* The pack record: what is known of one sidecar and of the image that it was packed from. What a later version adds to it is
* kept, since the record as a whole is what is signed.
*/
const packRecordSchema = looseObject({
	version: literal(1),
	platform: _enum(GUEST_PLATFORMS),
	image: looseObject({
		id: digest,
		/** Absent where the engine does not tell: the containerd image store. */
		configDigest: optional(digest),
		/** Absent where the image has none: the classic image store. */
		manifestDigest: optional(digest),
		layers: array(digest),
		/** `runtimeConfigSha256` of the image's environment, command, user and so on. */
		runtimeConfigSha256: sha256
	}),
	/** The one-layer image that smolvm pulled; a sidecar's manifest names its config. */
	flattened: looseObject({
		configDigest: digest,
		layerDigest: digest,
		layerSizeBytes: sizeBytes
	}),
	sidecar: looseObject({
		sha256,
		sizeBytes,
		crc32: string().check(_regex(/^[0-9a-f]{8}$/))
	}),
	smolvm: looseObject({
		version: shownText,
		cpus: optional(int()),
		memMib: optional(int())
	}),
	/** What wrote the sidecar; `smolvm` where it is absent. */
	packer: optional(_enum(PACKERS)),
	/** Of packer smolvm. */
	hop: optional(_enum(["embedded", "container"])),
	/** The canonical form of the sidecar (docs/sidecar-format.md). */
	format: optional(looseObject({
		version: int(),
		/** The version of the zstd library: another one may compress the same content to other bytes. */
		zstd: shownText,
		/** SOURCE_DATE_EPOCH: no time in the layer is later. */
		latestSeconds: optional(sizeBytes),
		/** The smolvm whose agent and disk template are in a sidecar of packer direct. */
		parts: optional(shownText)
	})),
	/** The frame index, by which only what has changed is fetched. */
	frames: optional(looseObject({
		sha256,
		sizeBytes
	})),
	packedAt: /* @__PURE__ */ datetime(),
	/** What went into `docker build`; absent where an image was packed as it was found. */
	inputs: optional(looseObject({
		key: sha256,
		dockerfileSha256: sha256,
		target: optional(shownText),
		buildArgsSha256: sha256,
		entriesSha256: sha256,
		/** Whether the key covers only what the Dockerfile can see, or the whole context. */
		narrowed: boolean()
	})),
	/** The workflow run that published it. */
	source: optional(looseObject({
		/** Absent in records of version 0.1. */
		server: optional(shownText),
		repository: shownText,
		repositoryId: optional(shownText),
		commit: string().check(_regex(/^[0-9a-f]{40,64}$/)),
		ref: shownText,
		event: shownText,
		runId: string().check(_regex(/^\d{1,20}$/)),
		runAttempt: int()
	}))
});
/** For where one that cannot be read counts as none; `fetch` says what is wrong with it (`parseRecord`). */
function readableRecord(json) {
	try {
		return packRecordSchema.safeParse(parseJson(json)).data;
	} catch {
		return;
	}
}
/** `owner/name`: GitHub's names differ in case only on paper. */
function isSameRepository(one, other) {
	return one.toLowerCase() === other.toLowerCase();
}
/** Equal for equal runtime configs, whatever the order of their keys (RFC 8785). */
function runtimeConfigSha256(config) {
	return createHash("sha256").update(canonicalize(config) ?? "").digest("hex");
}
export { runtimeConfigSha256 as a, readableRecord as i, isSameRepository as n, shownText as o, packRecordSchema as r, datetime as s, PACKERS as t };
