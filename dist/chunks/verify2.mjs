import { t as __commonJSMin } from "./rolldown-runtime.mjs";
import { n as require_dist$1, t as require_dist$2 } from "./dist.mjs";
import { t as BottleError } from "./errors.mjs";
import { i as array, m as optional, p as object, v as string, w as _maxLength } from "./schemas.mjs";
import { t as parseJson } from "./json.mjs";
import { t as counted } from "./shown-text.mjs";
import { n as requireIdentity, t as requireEqual } from "./policy.mjs";
import { X509Certificate } from "node:crypto";
// node_modules/@sigstore/bundle/dist/bundle.js
var require_bundle = /* @__PURE__ */ __commonJSMin(((exports) => {
	Object.defineProperty(exports, "__esModule", { value: true });
	exports.BUNDLE_V03_MEDIA_TYPE = exports.BUNDLE_V03_LEGACY_MEDIA_TYPE = exports.BUNDLE_V02_MEDIA_TYPE = exports.BUNDLE_V01_MEDIA_TYPE = void 0;
	exports.isBundleWithCertificateChain = isBundleWithCertificateChain;
	exports.isBundleWithPublicKey = isBundleWithPublicKey;
	exports.isBundleWithMessageSignature = isBundleWithMessageSignature;
	exports.isBundleWithDsseEnvelope = isBundleWithDsseEnvelope;
	exports.BUNDLE_V01_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle+json;version=0.1";
	exports.BUNDLE_V02_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle+json;version=0.2";
	exports.BUNDLE_V03_LEGACY_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle+json;version=0.3";
	exports.BUNDLE_V03_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";
	function isBundleWithCertificateChain(b) {
		return b.verificationMaterial.content.$case === "x509CertificateChain";
	}
	function isBundleWithPublicKey(b) {
		return b.verificationMaterial.content.$case === "publicKey";
	}
	function isBundleWithMessageSignature(b) {
		return b.content.$case === "messageSignature";
	}
	function isBundleWithDsseEnvelope(b) {
		return b.content.$case === "dsseEnvelope";
	}
}));
// node_modules/@sigstore/bundle/dist/build.js
var require_build = /* @__PURE__ */ __commonJSMin(((exports) => {
	Object.defineProperty(exports, "__esModule", { value: true });
	exports.toMessageSignatureBundle = toMessageSignatureBundle;
	exports.toDSSEBundle = toDSSEBundle;
	const protobuf_specs_1 = require_dist$1();
	const bundle_1 = require_bundle();
	function toMessageSignatureBundle(options) {
		return {
			mediaType: options.certificateChain ? bundle_1.BUNDLE_V02_MEDIA_TYPE : bundle_1.BUNDLE_V03_MEDIA_TYPE,
			content: {
				$case: "messageSignature",
				messageSignature: {
					messageDigest: {
						algorithm: protobuf_specs_1.HashAlgorithm.SHA2_256,
						digest: options.digest
					},
					signature: options.signature
				}
			},
			verificationMaterial: toVerificationMaterial(options)
		};
	}
	function toDSSEBundle(options) {
		return {
			mediaType: options.certificateChain ? bundle_1.BUNDLE_V02_MEDIA_TYPE : bundle_1.BUNDLE_V03_MEDIA_TYPE,
			content: {
				$case: "dsseEnvelope",
				dsseEnvelope: toEnvelope(options)
			},
			verificationMaterial: toVerificationMaterial(options)
		};
	}
	function toEnvelope(options) {
		return {
			payloadType: options.artifactType,
			payload: options.artifact,
			signatures: [toSignature(options)]
		};
	}
	function toSignature(options) {
		return {
			keyid: options.keyHint || "",
			sig: options.signature
		};
	}
	function toVerificationMaterial(options) {
		return {
			content: toKeyContent(options),
			tlogEntries: [],
			timestampVerificationData: { rfc3161Timestamps: [] }
		};
	}
	function toKeyContent(options) {
		if (options.certificate) {
			if (options.certificateChain) return {
				$case: "x509CertificateChain",
				x509CertificateChain: { certificates: [{ rawBytes: options.certificate }] }
			};
			else return {
				$case: "certificate",
				certificate: { rawBytes: options.certificate }
			};
		} else return {
			$case: "publicKey",
			publicKey: { hint: options.keyHint || "" }
		};
	}
}));
// node_modules/@sigstore/bundle/dist/error.js
var require_error = /* @__PURE__ */ __commonJSMin(((exports) => {
	Object.defineProperty(exports, "__esModule", { value: true });
	exports.ValidationError = void 0;
	var ValidationError = class extends Error {
		fields;
		constructor(message, fields) {
			super(message);
			this.fields = fields;
		}
	};
	exports.ValidationError = ValidationError;
}));
// node_modules/@sigstore/bundle/dist/validate.js
var require_validate = /* @__PURE__ */ __commonJSMin(((exports) => {
	Object.defineProperty(exports, "__esModule", { value: true });
	exports.assertBundle = assertBundle;
	exports.assertBundleV01 = assertBundleV01;
	exports.isBundleV01 = isBundleV01;
	exports.assertBundleV02 = assertBundleV02;
	exports.assertBundleLatest = assertBundleLatest;
	const error_1 = require_error();
	function assertBundle(b) {
		const invalidValues = validateBundleBase(b);
		if (invalidValues.length > 0) throw new error_1.ValidationError("invalid bundle", invalidValues);
	}
	function assertBundleV01(b) {
		const invalidValues = [];
		invalidValues.push(...validateBundleBase(b));
		invalidValues.push(...validateInclusionPromise(b));
		if (invalidValues.length > 0) throw new error_1.ValidationError("invalid v0.1 bundle", invalidValues);
	}
	function isBundleV01(b) {
		try {
			assertBundleV01(b);
			return true;
		} catch (e) {
			return false;
		}
	}
	function assertBundleV02(b) {
		const invalidValues = [];
		invalidValues.push(...validateBundleBase(b));
		invalidValues.push(...validateInclusionProof(b));
		if (invalidValues.length > 0) throw new error_1.ValidationError("invalid v0.2 bundle", invalidValues);
	}
	function assertBundleLatest(b) {
		const invalidValues = [];
		invalidValues.push(...validateBundleBase(b));
		invalidValues.push(...validateInclusionProof(b));
		invalidValues.push(...validateNoCertificateChain(b));
		if (invalidValues.length > 0) throw new error_1.ValidationError("invalid bundle", invalidValues);
	}
	function validateBundleBase(b) {
		const invalidValues = [];
		if (b.mediaType === void 0 || !b.mediaType.match(/^application\/vnd\.dev\.sigstore\.bundle\+json;version=\d\.\d/) && !b.mediaType.match(/^application\/vnd\.dev\.sigstore\.bundle\.v\d\.\d\+json/)) invalidValues.push("mediaType");
		if (b.content === void 0) invalidValues.push("content");
		else switch (b.content.$case) {
			case "messageSignature":
				if (b.content.messageSignature.messageDigest === void 0) invalidValues.push("content.messageSignature.messageDigest");
				else if (b.content.messageSignature.messageDigest.digest.length === 0) invalidValues.push("content.messageSignature.messageDigest.digest");
				if (b.content.messageSignature.signature.length === 0) invalidValues.push("content.messageSignature.signature");
				break;
			case "dsseEnvelope":
				if (b.content.dsseEnvelope.payload.length === 0) invalidValues.push("content.dsseEnvelope.payload");
				if (b.content.dsseEnvelope.signatures.length !== 1) invalidValues.push("content.dsseEnvelope.signatures");
				else if (b.content.dsseEnvelope.signatures[0].sig.length === 0) invalidValues.push("content.dsseEnvelope.signatures[0].sig");
		}
		if (b.verificationMaterial === void 0) invalidValues.push("verificationMaterial");
		else {
			if (b.verificationMaterial.content === void 0) invalidValues.push("verificationMaterial.content");
			else switch (b.verificationMaterial.content.$case) {
				case "x509CertificateChain":
					if (b.verificationMaterial.content.x509CertificateChain.certificates.length === 0) invalidValues.push("verificationMaterial.content.x509CertificateChain.certificates");
					b.verificationMaterial.content.x509CertificateChain.certificates.forEach((cert, i) => {
						if (cert.rawBytes.length === 0) invalidValues.push(`verificationMaterial.content.x509CertificateChain.certificates[${i}].rawBytes`);
					});
					break;
				case "certificate": if (b.verificationMaterial.content.certificate.rawBytes.length === 0) invalidValues.push("verificationMaterial.content.certificate.rawBytes");
			}
			if (b.verificationMaterial.tlogEntries === void 0) invalidValues.push("verificationMaterial.tlogEntries");
			else if (b.verificationMaterial.tlogEntries.length > 0) b.verificationMaterial.tlogEntries.forEach((entry, i) => {
				if (entry.logId === void 0) invalidValues.push(`verificationMaterial.tlogEntries[${i}].logId`);
				if (entry.kindVersion === void 0) invalidValues.push(`verificationMaterial.tlogEntries[${i}].kindVersion`);
			});
		}
		return invalidValues;
	}
	function validateInclusionPromise(b) {
		const invalidValues = [];
		if (b.verificationMaterial && b.verificationMaterial.tlogEntries?.length > 0) b.verificationMaterial.tlogEntries.forEach((entry, i) => {
			if (entry.inclusionPromise === void 0) invalidValues.push(`verificationMaterial.tlogEntries[${i}].inclusionPromise`);
		});
		return invalidValues;
	}
	function validateInclusionProof(b) {
		const invalidValues = [];
		if (b.verificationMaterial && b.verificationMaterial.tlogEntries?.length > 0) b.verificationMaterial.tlogEntries.forEach((entry, i) => {
			if (entry.inclusionProof === void 0) invalidValues.push(`verificationMaterial.tlogEntries[${i}].inclusionProof`);
			else if (entry.inclusionProof.checkpoint === void 0) invalidValues.push(`verificationMaterial.tlogEntries[${i}].inclusionProof.checkpoint`);
		});
		return invalidValues;
	}
	function validateNoCertificateChain(b) {
		const invalidValues = [];
		/* istanbul ignore next */
		if (b.verificationMaterial?.content?.$case === "x509CertificateChain") invalidValues.push("verificationMaterial.content.$case");
		return invalidValues;
	}
}));
// node_modules/@sigstore/bundle/dist/serialized.js
var require_serialized = /* @__PURE__ */ __commonJSMin(((exports) => {
	Object.defineProperty(exports, "__esModule", { value: true });
	exports.envelopeToJSON = exports.envelopeFromJSON = exports.bundleToJSON = exports.bundleFromJSON = void 0;
	const protobuf_specs_1 = require_dist$1();
	const bundle_1 = require_bundle();
	const validate_1 = require_validate();
	const bundleFromJSON = (obj) => {
		const bundle = protobuf_specs_1.Bundle.fromJSON(obj);
		switch (bundle.mediaType) {
			case bundle_1.BUNDLE_V01_MEDIA_TYPE:
				(0, validate_1.assertBundleV01)(bundle);
				break;
			case bundle_1.BUNDLE_V02_MEDIA_TYPE:
				(0, validate_1.assertBundleV02)(bundle);
				break;
			default: (0, validate_1.assertBundleLatest)(bundle);
		}
		return bundle;
	};
	exports.bundleFromJSON = bundleFromJSON;
	const bundleToJSON = (bundle) => {
		return protobuf_specs_1.Bundle.toJSON(bundle);
	};
	exports.bundleToJSON = bundleToJSON;
	const envelopeFromJSON = (obj) => {
		return protobuf_specs_1.Envelope.fromJSON(obj);
	};
	exports.envelopeFromJSON = envelopeFromJSON;
	const envelopeToJSON = (envelope) => {
		return protobuf_specs_1.Envelope.toJSON(envelope);
	};
	exports.envelopeToJSON = envelopeToJSON;
}));
// node_modules/@sigstore/bundle/dist/index.js
var require_dist = /* @__PURE__ */ __commonJSMin(((exports) => {
	Object.defineProperty(exports, "__esModule", { value: true });
	exports.isBundleV01 = exports.assertBundleV02 = exports.assertBundleV01 = exports.assertBundleLatest = exports.assertBundle = exports.envelopeToJSON = exports.envelopeFromJSON = exports.bundleToJSON = exports.bundleFromJSON = exports.ValidationError = exports.isBundleWithPublicKey = exports.isBundleWithMessageSignature = exports.isBundleWithDsseEnvelope = exports.isBundleWithCertificateChain = exports.BUNDLE_V03_MEDIA_TYPE = exports.BUNDLE_V03_LEGACY_MEDIA_TYPE = exports.BUNDLE_V02_MEDIA_TYPE = exports.BUNDLE_V01_MEDIA_TYPE = exports.toMessageSignatureBundle = exports.toDSSEBundle = void 0;
	var build_1 = require_build();
	Object.defineProperty(exports, "toDSSEBundle", {
		enumerable: true,
		get: function() {
			return build_1.toDSSEBundle;
		}
	});
	Object.defineProperty(exports, "toMessageSignatureBundle", {
		enumerable: true,
		get: function() {
			return build_1.toMessageSignatureBundle;
		}
	});
	var bundle_1 = require_bundle();
	Object.defineProperty(exports, "BUNDLE_V01_MEDIA_TYPE", {
		enumerable: true,
		get: function() {
			return bundle_1.BUNDLE_V01_MEDIA_TYPE;
		}
	});
	Object.defineProperty(exports, "BUNDLE_V02_MEDIA_TYPE", {
		enumerable: true,
		get: function() {
			return bundle_1.BUNDLE_V02_MEDIA_TYPE;
		}
	});
	Object.defineProperty(exports, "BUNDLE_V03_LEGACY_MEDIA_TYPE", {
		enumerable: true,
		get: function() {
			return bundle_1.BUNDLE_V03_LEGACY_MEDIA_TYPE;
		}
	});
	Object.defineProperty(exports, "BUNDLE_V03_MEDIA_TYPE", {
		enumerable: true,
		get: function() {
			return bundle_1.BUNDLE_V03_MEDIA_TYPE;
		}
	});
	Object.defineProperty(exports, "isBundleWithCertificateChain", {
		enumerable: true,
		get: function() {
			return bundle_1.isBundleWithCertificateChain;
		}
	});
	Object.defineProperty(exports, "isBundleWithDsseEnvelope", {
		enumerable: true,
		get: function() {
			return bundle_1.isBundleWithDsseEnvelope;
		}
	});
	Object.defineProperty(exports, "isBundleWithMessageSignature", {
		enumerable: true,
		get: function() {
			return bundle_1.isBundleWithMessageSignature;
		}
	});
	Object.defineProperty(exports, "isBundleWithPublicKey", {
		enumerable: true,
		get: function() {
			return bundle_1.isBundleWithPublicKey;
		}
	});
	var error_1 = require_error();
	Object.defineProperty(exports, "ValidationError", {
		enumerable: true,
		get: function() {
			return error_1.ValidationError;
		}
	});
	var serialized_1 = require_serialized();
	Object.defineProperty(exports, "bundleFromJSON", {
		enumerable: true,
		get: function() {
			return serialized_1.bundleFromJSON;
		}
	});
	Object.defineProperty(exports, "bundleToJSON", {
		enumerable: true,
		get: function() {
			return serialized_1.bundleToJSON;
		}
	});
	Object.defineProperty(exports, "envelopeFromJSON", {
		enumerable: true,
		get: function() {
			return serialized_1.envelopeFromJSON;
		}
	});
	Object.defineProperty(exports, "envelopeToJSON", {
		enumerable: true,
		get: function() {
			return serialized_1.envelopeToJSON;
		}
	});
	var validate_1 = require_validate();
	Object.defineProperty(exports, "assertBundle", {
		enumerable: true,
		get: function() {
			return validate_1.assertBundle;
		}
	});
	Object.defineProperty(exports, "assertBundleLatest", {
		enumerable: true,
		get: function() {
			return validate_1.assertBundleLatest;
		}
	});
	Object.defineProperty(exports, "assertBundleV01", {
		enumerable: true,
		get: function() {
			return validate_1.assertBundleV01;
		}
	});
	Object.defineProperty(exports, "assertBundleV02", {
		enumerable: true,
		get: function() {
			return validate_1.assertBundleV02;
		}
	});
	Object.defineProperty(exports, "isBundleV01", {
		enumerable: true,
		get: function() {
			return validate_1.isBundleV01;
		}
	});
}));
// src/trust/certificate.ts
var import_dist$1 = require_dist$2();
var import_dist = require_dist();
/** Fulcio's extensions, each a DER UTF8String: https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md */
const FULCIO = "1.3.6.1.4.1.57264.1";
const EXTENSIONS = {
	issuer: 8,
	signer: 9,
	runnerEnvironment: 11,
	repository: 12,
	commit: 13,
	ref: 14,
	repositoryId: 15,
	ownerId: 17,
	trigger: 20,
	runUri: 21
};
const UTF8_STRING = 12;
/**
* Reads who signed out of a certificate that has been verified.
* @param subjectAltName as node:crypto prints it: all names that it has
*/
function readIdentity(extensions, subjectAltName) {
	const claims = Object.entries(EXTENSIONS).map(([field, number]) => {
		const found = extensions.filter(({ oid }) => oid === `${FULCIO}.${number}`);
		const [extension] = found;
		if (extension === void 0 || found.length > 1) throw badCertificate(`has ${counted(found.length, "extension")} for the ${field}, expected 1`);
		return [field, decodeUtf8String(extension.value, field)];
	});
	const subject = (subjectAltName ?? "").replace(/^URI:/, "");
	return {
		...Object.fromEntries(claims),
		subject
	};
}
/** https://www.itu.int/rec/T-REC-X.690: tag, length in its short or long form, and nothing behind the text. */
function decodeUtf8String(der, field) {
	const [tag, first = 0] = der;
	const longBytes = first > 127 ? first - 128 : 0;
	const bytes = der.subarray(2 + longBytes);
	if (tag !== UTF8_STRING || first === 128 || longBytes > 2 || bytes.length === 0) throw badCertificate(`has no text for the ${field}`);
	const length = longBytes === 0 ? first : der.readUIntBE(2, longBytes);
	const text = bytes.toString("utf8");
	if (bytes.length !== length || !/^\P{Cc}+$/u.test(text) || !Buffer.from(text).equals(bytes)) throw badCertificate(`has no text for the ${field}`);
	return text;
}
function badCertificate(problem) {
	return new BottleError("not-trusted", `the provenance's certificate ${problem}`, { hint: "do not use the sidecar, because no GitHub workflow signed it" });
}
// src/trust/verify.ts
const MAX_BUNDLE_BYTES = 4194304;
const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
/** https://slsa.dev/spec/v1.0/provenance, with https://actions.github.io/buildtypes/workflow/v1 as @actions/attest writes it. */
const PREDICATE_TYPE = "https://slsa.dev/provenance/v1";
const BUILD_TYPE = "https://actions.github.io/buildtypes/workflow/v1";
/** As many as GitHub accepts. */
const MAX_SUBJECTS = 1024;
const MAX_REASON_CHARS = 200;
const UPDATE_HINT = "update claude-bottle, or pass --trusted-root FILE (made with gh attestation trusted-root > FILE)";
const DAMAGE_HINT = "fetch it again; if that does not help, do not use it";
/**
* Checks a Sigstore bundle from end to end, without the network and without this machine's clock.
* @throws BottleError `not-trusted`, naming the check, with expected and got
*/
function verifyProvenance(bytes, { fileSha256, recordSha256, policy, roots }) {
	const bundle = parseBundle(bytes);
	const certificate = certificateOf(bundle);
	const { root, extensions } = verifySignature(bundle, certificate, roots);
	const identity = readIdentity(extensions, certificate.subjectAltName);
	requireIdentity(identity, policy);
	const subjects = subjectsOf(bundle);
	requireSubject("sidecar", fileSha256, subjects);
	requireSubject("pack record", recordSha256, subjects);
	return {
		...identity,
		root,
		issuedAt: certificate.validFromDate.toISOString()
	};
}
function parseBundle(bytes) {
	if (bytes.length > MAX_BUNDLE_BYTES) throw distrust(`the bundle has ${counted(bytes.length, "byte")}, at most ${MAX_BUNDLE_BYTES} are read`, DAMAGE_HINT);
	let bundle;
	try {
		bundle = (0, import_dist.bundleFromJSON)(parseJson(bytes.toString("utf8")));
	} catch (cause) {
		throw distrust("the file beside it is not a Sigstore bundle", DAMAGE_HINT, cause);
	}
	const { content } = bundle;
	requireField("content", "dsseEnvelope", content.$case);
	const signed = bundle;
	requireField("payload type", PAYLOAD_TYPE, signed.content.dsseEnvelope.payloadType);
	return signed;
}
function certificateOf({ verificationMaterial: { content } }) {
	requireField("key", "certificate", content.$case);
	try {
		return new X509Certificate(content.certificate.rawBytes);
	} catch (cause) {
		throw distrust("its certificate is not valid", DAMAGE_HINT, cause);
	}
}
/** Each root on its own: a log entry of one instance says nothing about a certificate of another. */
function verifySignature(bundle, certificate, roots) {
	const issuers = roots.filter((root) => hasIssued(root, certificate));
	let failure;
	for (const root of issuers) try {
		return verifyWith(root, bundle);
	} catch (error) {
		failure ??= error;
	}
	if (issuers.length > 0) throw failure;
	const known = roots.map(({ name }) => name).join(" and ");
	throw distrust(`its certificate is from ${JSON.stringify(certificate.issuer.replace(/\n/g, ", "))}, which no trust root (${known}) covers`, UPDATE_HINT);
}
function verifyWith(root, bundle) {
	try {
		const { identity } = new import_dist$1.Verifier(root.material, thresholds(root)).verify((0, import_dist$1.toSignedEntity)(bundle));
		const extensions = (identity?.oids ?? []).map(({ oid, value }) => ({
			oid: oid?.id.join(".") ?? "",
			value
		}));
		return {
			root: root.name,
			extensions
		};
	} catch (cause) {
		const message = printable(cause instanceof Error ? cause.message : String(cause));
		const isAge = /certificate chain|timestamp could not be verified/.test(message);
		throw distrust(`it does not verify with the trust root ${root.name}: ${message}`, isAge ? UPDATE_HINT : DAMAGE_HINT, cause);
	}
}
/** The library quotes what it reads. */
function printable(text) {
	return text.replace(/\p{Cc}+/gu, " ").slice(0, MAX_REASON_CHARS);
}
function hasIssued({ authorities }, certificate) {
	return authorities.some((authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey));
}
/** As gh asks: a log entry, a certificate log and a time from the log; where there is no log, the time of an authority. */
function thresholds({ material: { tlogs } }) {
	const log = tlogs.length > 0 ? 1 : 0;
	return {
		tlogThreshold: log,
		ctlogThreshold: log,
		timestampThreshold: 1
	};
}
const statementSchema = object({
	_type: string(),
	predicateType: string(),
	subject: array(object({ digest: object({ sha256: optional(string()) }) })).check(_maxLength(MAX_SUBJECTS)),
	predicate: optional(object({ buildDefinition: optional(object({ buildType: string() })) }))
});
/** The SHA-256 of everything that the statement is about; a release can be signed as a whole. */
function subjectsOf({ content: { dsseEnvelope } }) {
	let json;
	try {
		json = parseJson(dsseEnvelope.payload.toString("utf8"));
	} catch (cause) {
		throw distrust("its statement is not JSON", DAMAGE_HINT, cause);
	}
	const { data: statement } = statementSchema.safeParse(json);
	if (statement === void 0) throw distrust("its statement is not an in-toto statement", DAMAGE_HINT);
	requireField("statement type", STATEMENT_TYPE, statement._type);
	requireField("predicate type", PREDICATE_TYPE, statement.predicateType);
	requireField("build type", BUILD_TYPE, statement.predicate?.buildDefinition?.buildType ?? "none");
	return statement.subject.map(({ digest }) => digest.sha256 ?? "").filter((sha256) => sha256 !== "");
}
function requireSubject(what, sha256, subjects) {
	if (!subjects.includes(sha256)) requireEqual(`SHA-256 of the ${what}`, sha256, subjects.slice(0, 3).join(", "));
}
function requireField(field, expected, found) {
	if (found !== expected) throw distrust(`its ${field} is ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`, DAMAGE_HINT);
}
function distrust(problem, hint, cause) {
	return new BottleError("not-trusted", `provenance not accepted: ${problem}`, {
		hint,
		cause
	});
}
export { verifyProvenance };
