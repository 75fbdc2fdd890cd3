import { t as BottleError } from "./errors.mjs";
import { t as originOf } from "./remote.mjs";
import { S as originOfCheckout } from "./by-key.mjs";
import { t as serverOf } from "./server-url.mjs";
// src/cli/checkout-origin.ts
/** Whose sidecars a checkout may use: those of `--repo`, else of its remote. */
async function checkoutOrigin({ context, repo, githubUrl }) {
	const given = requireRepository(repo);
	const remote = await unlessNamed(given, originOf(context));
	const { server } = serverOf({
		serverUrl: githubUrl,
		remoteHost: remote?.host,
		env: process.env
	});
	return originOfCheckout(server.origin, given ?? remote?.repository);
}
/** What git says of a checkout; undefined where it refuses to, and the user names the repository. */
async function unlessNamed(repo, answer) {
	try {
		return await answer;
	} catch (error) {
		if (repo !== void 0 && error instanceof BottleError && error.code === "git-failed") return;
		throw error;
	}
}
/** @throws BottleError `usage` */
function requireRepository(repo) {
	if (repo !== void 0 && !/^[\w.-]+\/[\w.-]+$/.test(repo)) throw new BottleError("usage", `not a repository: ${JSON.stringify(repo)}`, { hint: "use OWNER/NAME" });
	return repo;
}
export { requireRepository as n, unlessNamed as r, checkoutOrigin as t };
