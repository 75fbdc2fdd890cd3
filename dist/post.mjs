import { r as endProcessesIn } from "./chunks/child.mjs";
import { n as scratchParent, r as sweepPrivateDirs, t as hasAbandonedDirs } from "./chunks/private-dir.mjs";
import { s as sweepKilledRuns } from "./chunks/pack.mjs";
import { t as warningsTo } from "./chunks/progress.mjs";
import { n as createRunnerLog, t as takeVariables } from "./chunks/variables.mjs";
import "./chunks/results.mjs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
// src/action/post-step.ts
const POST_TIMEOUT_MS = 6e4;
/**
* Removes what the main step has left behind when it was killed; never fails the job. It finds those things by their
* owner, not by names in the step's state, which the output of a build could forge. A main step that ended by itself has
* cleaned up, so nothing is asked of Docker then.
*/
async function runPostStep() {
	const log = createRunnerLog(process.stdout.write.bind(process.stdout));
	takeVariables(/^(INPUT|ACTIONS)_/);
	const onWarning = warningsTo(log.onProgress);
	const tempDir = process.env.RUNNER_TEMP ?? "";
	const sweeps = [
		async () => {
			if (await hasAbandonedDirs(tempDir) || await hasAbandonedDirs(scratchParent())) await sweepKilledRuns(AbortSignal.timeout(POST_TIMEOUT_MS), log.onProgress);
		},
		async () => await sweepPrivateDirs(tempDir, {
			beforeRemove: endProcessesIn,
			onWarning
		}),
		async () => await removeEmptyResults(tempDir)
	];
	for (const sweep of sweeps) await sweep().catch((error) => onWarning(`left behind, the next run tries again: ${error.message}`));
	return 0;
}
async function removeEmptyResults(tempDir) {
	for (const name of await fs.readdir(tempDir)) if (name.startsWith("claude-bottle-pack-")) await fs.rmdir(join(tempDir, name)).catch(() => {});
}
// src/action/post.ts
process.exit(await runPostStep());
export {};
