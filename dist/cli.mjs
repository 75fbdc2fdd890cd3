#!/usr/bin/env node
// src/cli/node-version.ts
/** The first release line with zlib's zstd and everything else that is used here. */
const MINIMUM_NODE = "22.22.2";
function supportsNode(version) {
	return version.localeCompare(MINIMUM_NODE, "en", { numeric: true }) >= 0;
}
// src/cli/main.ts
if (supportsNode(process.versions.node)) {
	const { main } = await import("./chunks/program.mjs");
	process.exitCode = await main(process.argv);
} else {
	process.stderr.write(`claude-bottle: error: Node ${process.versions.node} is too old\n  hint: install Node ${MINIMUM_NODE} or later\n`);
	process.exitCode = 78;
}
export {};
