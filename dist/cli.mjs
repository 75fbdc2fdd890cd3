#!/usr/bin/env node
import { t as isOlder } from "./chunks/version.mjs";
// src/cli/main.ts
/** The first release line with zlib's zstd and everything else that is used here. */
const MINIMUM_NODE = "22.22.2";
if (isOlder(process.versions.node, MINIMUM_NODE)) {
	process.stderr.write(`claude-bottle needs Node ${MINIMUM_NODE} or later; this is ${process.version}\n`);
	process.exitCode = 78;
} else {
	const { main } = await import("./chunks/program.mjs");
	const exitCode = await main(process.argv);
	process.exitCode = process.exitCode || exitCode;
}
export {};
