import { _ as string, f as object } from "./schemas.mjs";
import { c as prettyJson, d as BUNDLE_TYPE, f as PACK_MODE_ANNOTATION, g as TITLE_ANNOTATION, h as SIDECAR_MEDIA_TYPE, i as digestOf, m as SIDECAR_CONFIG_MEDIA_TYPE, n as INDEX_TYPE, p as PACK_RECORD_ANNOTATION, t as IMAGE_TYPE } from "./oci-manifest.mjs";
import { r as readableRecord } from "./pack-record.mjs";
// src/remote/sidecar-manifests.ts
/** https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidance-for-an-empty-descriptor */
const EMPTY_CONFIG = Buffer.from("{}");
const EMPTY_CONFIG_TYPE = "application/vnd.oci.empty.v1+json";
/** Which cosign looks at before it reads a bundle. */
const BUNDLE_CONTENT_ANNOTATION = "dev.sigstore.bundle.content";
const PREDICATE_TYPE_ANNOTATION = "dev.sigstore.bundle.predicateType";
/** In the layout of `smolvm pack push`: the sidecar is the only layer, its own manifest the config. */
function sidecarManifest({ record, config, mode, fileName, title }) {
	const configBytes = prettyJson(config);
	const { sha256, sizeBytes } = record.sidecar;
	const [os = "", architecture = ""] = record.platform.split("/");
	const manifest = prettyJson({
		schemaVersion: 2,
		mediaType: IMAGE_TYPE,
		artifactType: SIDECAR_MEDIA_TYPE,
		config: descriptorOf(SIDECAR_CONFIG_MEDIA_TYPE, configBytes),
		layers: [{
			mediaType: SIDECAR_MEDIA_TYPE,
			digest: `sha256:${sha256}`,
			size: sizeBytes,
			annotations: { [TITLE_ANNOTATION]: fileName }
		}],
		annotations: {
			[TITLE_ANNOTATION]: title,
			[PACK_MODE_ANNOTATION]: mode,
			[PACK_RECORD_ANNOTATION]: JSON.stringify(record)
		}
	});
	return {
		descriptor: {
			...descriptorOf(IMAGE_TYPE, manifest),
			platform: {
				os,
				architecture
			}
		},
		manifest,
		blobs: [configBytes]
	};
}
/** Of a manifest that somebody has published; undefined where it has none that can be read. */
function recordOf({ annotations }) {
	const text = annotations?.[PACK_RECORD_ANNOTATION];
	return readableRecord(text ?? "");
}
/** As cosign and gh attach it: an artifact of its own whose subject is the sidecar's manifest. */
function bundleManifest(subject, bundle) {
	const predicateType = predicateTypeOf(bundle);
	const annotations = {
		[BUNDLE_CONTENT_ANNOTATION]: "dsse-envelope",
		...predicateType !== void 0 && { [PREDICATE_TYPE_ANNOTATION]: predicateType }
	};
	return referrer(subject, BUNDLE_TYPE, {
		bytes: bundle,
		annotations
	});
}
/** Content of `type` that belongs to `subject`. */
function referrer({ mediaType, digest, size }, type, content) {
	const { bytes, annotations, fileName } = content;
	const manifest = prettyJson({
		schemaVersion: 2,
		mediaType: IMAGE_TYPE,
		artifactType: type,
		config: descriptorOf(EMPTY_CONFIG_TYPE, EMPTY_CONFIG),
		layers: [{
			...descriptorOf(type, bytes),
			...fileName !== void 0 && { annotations: { ["org.opencontainers.image.title"]: fileName } }
		}],
		subject: {
			mediaType,
			digest,
			size
		},
		annotations
	});
	return {
		descriptor: {
			...descriptorOf(IMAGE_TYPE, manifest),
			artifactType: type,
			...annotations && { annotations }
		},
		manifest,
		blobs: [EMPTY_CONFIG, bytes]
	};
}
function indexOf(manifests) {
	const manifest = prettyJson({
		schemaVersion: 2,
		mediaType: INDEX_TYPE,
		manifests
	});
	return {
		descriptor: descriptorOf(INDEX_TYPE, manifest),
		manifest,
		blobs: []
	};
}
function descriptorOf(mediaType, bytes) {
	return {
		mediaType,
		digest: digestOf(bytes),
		size: bytes.length
	};
}
const bundleSchema = object({ dsseEnvelope: object({ payload: string() }) });
const statementSchema = object({ predicateType: string() });
/** Undefined when the bundle is unlike those that this project makes; whoever fetches it judges it. */
function predicateTypeOf(bundle) {
	try {
		const { dsseEnvelope } = bundleSchema.parse(JSON.parse(bundle.toString("utf8")));
		const statement = JSON.parse(Buffer.from(dsseEnvelope.payload, "base64").toString("utf8"));
		return statementSchema.parse(statement).predicateType;
	} catch {
		return;
	}
}
export { sidecarManifest as a, referrer as i, indexOf as n, recordOf as r, bundleManifest as t };
