import { t as buildImage } from "./build.mjs";
import { s as engineFacts } from "./command.mjs";
import { l as runtimeConfig, t as guestPlatformOf } from "./image.mjs";
import { t as BottleError } from "./errors.mjs";
import { d as runtimeConfigSha256, p as id16 } from "./verify.mjs";
import { r as knowsSigner, y as describeOrigin } from "./by-key.mjs";
import { n as installSidecar } from "./install.mjs";
import { r as otherOwners, t as bindName } from "./name.mjs";
// src/fetch/bind.ts
/**
* Gives the sidecar the name that claude-bottle looks for: it builds the image, and takes the ID that this engine
* gives it, which is not the one that CI's engine gave.
* @throws BottleError `image-id-unstable` when the next build of the same inputs gets another ID, `not-trusted` when a
* sidecar of another origin keeps the name and that is an error
*/
async function bindSidecar(options) {
	const { store, prove, replace, signal, onProgress } = options;
	const image = await options.image ?? await buildForBinding(options);
	guestPlatformOf(image, options.platform, true);
	if (prove) requireSameContent(image, options.stored.record);
	const isOfImage = options.stored.record.inputs === void 0;
	const stored = isOfImage ? await withInputs(image, options) : options.stored;
	const proof = prove || isOfImage ? "content" : "inputs";
	onProgress({
		type: "start",
		stage: "link"
	});
	const result = await bindName(store, image.id, stored, {
		proof,
		replace,
		signal
	});
	const { path, outcome } = result;
	if (result.outcome !== "kept") {
		const because = prove ? ", same layers and config" : "";
		onProgress({
			type: "done",
			stage: "link",
			detail: `to your image ${options.build.image} (${id16(image.id)})${because}`
		});
		return {
			imageId: image.id,
			id16: id16(image.id),
			path,
			outcome,
			proof
		};
	}
	await requireMayStay(path, result.keptOrigin, options);
	const keptOrigin = describeOrigin(result.keptOrigin);
	return {
		imageId: image.id,
		id16: id16(image.id),
		path,
		outcome,
		keptOrigin,
		proof
	};
}
/** A sidecar without our record is bound if it was packed from the very image that is built here. */
async function withInputs(image, { store, stored, inputs, signal }) {
	const { record } = stored;
	const { configDigest } = record.flattened;
	if (configDigest !== image.configDigest) throw new BottleError("not-trusted", `not bound: the sidecar was packed from the image config ${configDigest}, and the one that is built here has ${image.configDigest ?? "an unknown one"}`, { hint: "claude-bottle bind --adopt  # binds it anyway" });
	return await installSidecar(store, void 0, {
		...stored,
		record: {
			...record,
			inputs
		}
	}, { signal });
}
/**
* For a checkout that did not fetch anything, and whose image is started now: builds the image, and looks at what
* claude-bottle would find for it.
* @throws BottleError `not-trusted` when that is a sidecar of another origin
*/
async function requireNotAnothers(options) {
	const { store, origin } = options;
	const owners = await otherOwners(store, origin);
	if (owners.size === 0) return;
	const image = await buildForBinding(options);
	const owner = owners.get(id16(image.id));
	if (owner !== void 0) throw anothersName(store.pathFor(id16(image.id)), owner, PACK_HINT);
}
/** claude-bottle starts what has the name, so a repository that signs must not get the sidecar of another one. */
async function requireMayStay(path, kept, { store, origin, required = false, isStarted = false }) {
	const isAnothers = kept.kind !== "here";
	if (required || isAnothers && (isStarted || await knowsSigner(store.layout, origin))) throw anothersName(path, kept, REPLACE_HINT);
}
function anothersName(path, owner, hint) {
	return new BottleError("not-trusted", `${path} is a good sidecar, but of another origin (${describeOrigin(owner)}), and it stays`, { hint });
}
/** What to do when a sidecar of another origin has the name. */
const REPLACE_HINT = "claude-bottle bind --replace  # takes its name";
const PACK_HINT = "claude-bottle pack  # gives the name to a sidecar of your own";
/**
* Builds as claude-bottle does. The ID is only worth something if claude-bottle's next build gets it too. With the
* containerd image store the default attestations carry the time of the build, so that even a fully cached one has
* another ID; a second build shows it.
*/
async function buildForBinding(options) {
	const { signal } = options;
	const first = await build(options);
	const { store } = await engineFacts(signal);
	const image = store === "classic" ? first : await build(options);
	if (image.id !== first.id) throw new BottleError("image-id-unstable", `the engine gives every build of ${options.build.image} another image ID (${id16(first.id)}, then ${id16(image.id)}), so claude-bottle never finds a sidecar`, { hint: ["export BUILDX_NO_DEFAULT_ATTESTATIONS=1  # wherever claude-bottle runs", "claude-bottle exec -- COMMAND  # sets it for that command"] });
	return image;
}
async function build({ build: options, platform, signal, onProgress }) {
	const { sweepScratch } = await import("./pack2.mjs");
	await sweepScratch(onProgress);
	onProgress({
		type: "start",
		stage: "build",
		detail: options.image
	});
	const image = await buildImage({
		...options,
		platform,
		keepsAttestations: true
	}, {
		signal,
		onLine: (line) => onProgress({
			type: "output",
			stage: "build",
			line
		})
	});
	onProgress({
		type: "done",
		stage: "build",
		detail: `${options.image} (${id16(image.id)})`
	});
	return image;
}
function requireSameContent(image, record) {
	const local = runtimeConfigSha256(runtimeConfig(image));
	const differing = image.layers.join() !== record.image.layers.join() ? `layers ${image.layers.join(", ")}, expected ${record.image.layers.join(", ")}` : local !== record.image.runtimeConfigSha256 ? `runtime config ${local}, expected ${record.image.runtimeConfigSha256}` : void 0;
	if (differing !== void 0) throw new BottleError("not-trusted", `not proven: the local image has other content than the one that was packed: ${differing}`, { hint: "build with --cache-from the image that CI published, on a cold builder, or bind without --prove: the inputs are equal" });
}
export { requireNotAnothers as i, bindSidecar as n, buildForBinding as r, REPLACE_HINT as t };
