import { n as runFetch } from "./fetch-command2.mjs";
// src/cli/import-command.ts
/** `claude-bottle import`: what fetch does, from a file that export has written. */
async function runImport(file, options, output, signal) {
	return await runFetch({
		...options,
		from: `layout:${file}`
	}, output, signal);
}
export { runImport };
