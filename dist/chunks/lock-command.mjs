import { t as readBuildInputs } from "./build-inputs.mjs";
import { t as BottleError } from "./errors.mjs";
import { n as explainMiss } from "./explain-miss2.mjs";
import { a as requireLockable, d as findOffer, i as readLockFile, n as LOCK_FILE, r as lockedOf, s as writeLockFile, t as openSources } from "./sources.mjs";
import { S as originOfCheckout, m as storeDir } from "./by-key.mjs";
import { r as parseGuestPlatform, t as GUEST_PLATFORMS } from "./platform.mjs";
import { t as Store } from "./store.mjs";
import { n as judge, t as trustOf } from "./trust-options.mjs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
// src/cli/lock-command.ts
/** `claude-bottle lock`: writes down which sidecar each platform has for this checkout, and where it is. */
async function runLock(options, output, signal) {
	const { context, file, target, buildArg: buildArgs } = options;
	const read = (platform) => readBuildInputs({
		context,
		file,
		target,
		buildArgs,
		platform,
		signal
	});
	const wantedPlatforms = options.platform.map(parseGuestPlatform);
	const store = await Store.open(storeDir(options.store), output.onProgress);
	const trust = await trustOf(options);
	const { tools, sources, aboutRemotes, isSearch, forBuild } = await openSources(context, options, {
		address: options.from,
		isLocked: true
	}, output, signal);
	const locked = [];
	try {
		for (const platform of wantedPlatforms.length > 0 ? wantedPlatforms : GUEST_PLATFORMS) {
			const inputs = await read(platform);
			const { record, entries } = inputs;
			if (entries.some(({ path }) => path === "claude-bottle.lock")) throw lockInBuild();
			const wanted = forBuild({
				key: record.key,
				platform
			});
			try {
				const { offer, evidence } = await findOffer({
					wanted,
					demands: {
						sameInputs: true,
						knownSource: options.from === void 0
					},
					sources,
					tools,
					explainMiss: (nearest) => explainMiss(nearest, inputs, {
						platform,
						context,
						isSearch,
						aboutRemotes
					}),
					signal,
					onProgress: output.onProgress
				});
				await judge(evidence, originOfCheckout(wanted.serverUrl, wanted.repository), trust, store.layout);
				requireLockable(offer.address, {
					repository: wanted.repository,
					github: tools.github
				});
				locked.push([platform, lockedOf(offer, record.key)]);
			} catch (error) {
				if (wantedPlatforms.length > 0 || !(error instanceof BottleError && error.code === "not-found")) throw error;
				output.note(`${platform}: ${error.message}`);
			}
		}
	} finally {
		tools.http.close();
	}
	if (locked.length === 0) throw new BottleError("not-found", "nothing is published for this checkout, so there is nothing to lock", { hint: "claude-bottle fetch --dry-run  # says where it looks" });
	const path = join(context, LOCK_FILE);
	const isNew = await fs.access(path).then(() => false, () => true);
	if (!isNew) {
		locked.push(...await stillGood(path, locked, {
			read,
			output
		}));
		locked.sort(([a], [b]) => GUEST_PLATFORMS.indexOf(a) - GUEST_PLATFORMS.indexOf(b));
	}
	await writeLockFile(path, locked);
	for (const [platform, { key }] of isNew ? locked : []) {
		const { record } = await read(platform);
		if (record.key !== key) {
			await fs.rm(path);
			throw lockInBuild();
		}
	}
	output.result({
		path,
		platforms: Object.fromEntries(locked)
	}, [path, ...locked.map(([platform, { sha256, address: where }]) => `${platform}  sha256 ${sha256}  ${where}`)]);
	return 0;
}
/** What an older lock file has for other platforms, as long as the checkout has the same inputs. */
async function stillGood(path, locked, { read, output }) {
	const older = await readLockFile(path).catch((error) => {
		if (error instanceof BottleError && error.code === "sidecar-damaged") {
			output.note(`${error.message}; writing a new one`);
			return;
		}
		throw error;
	});
	const good = [];
	for (const platform of GUEST_PLATFORMS) {
		const entry = older?.platforms[platform];
		if (entry !== void 0 && !locked.some(([each]) => each === platform)) {
			const { record } = await read(platform);
			if (record.key === entry.key) good.push([platform, entry]);
			else output.note(`no longer locked: ${platform}, which ${LOCK_FILE} had for other inputs than these`);
		}
	}
	return good;
}
/** A lock file that goes into the build would change the key that it locks. */
function lockInBuild() {
	return new BottleError("usage", `${LOCK_FILE} would be part of the build, and change its inputs key`, { hint: `list ${LOCK_FILE} in .dockerignore` });
}
export { runLock };
