import { t as BottleError } from "./errors.mjs";
// src/identity/platform.ts
const GUEST_PLATFORMS = ["linux/amd64", "linux/arm64"];
function parseGuestPlatform(text) {
	const platform = GUEST_PLATFORMS.find((known) => known === text);
	if (platform === void 0) throw new BottleError("usage", `unknown platform ${JSON.stringify(text)}`, { hint: `use one of ${GUEST_PLATFORMS.join(", ")}` });
	return platform;
}
/** The platform whose sidecars start on this machine: a microVM has its host's architecture. */
function hostGuestPlatform(arch = process.arch) {
	return parseGuestPlatform(`linux/${arch === "x64" ? "amd64" : arch}`);
}
export { hostGuestPlatform as n, parseGuestPlatform as r, GUEST_PLATFORMS as t };
