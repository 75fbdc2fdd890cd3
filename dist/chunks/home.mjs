import { homedir } from "node:os";
// src/host/home.ts
/** Undefined without HOME and without an entry in the password database, and for users that are made to have none. */
function homeDir() {
	try {
		const home = homedir();
		return home === "" || home === "/nonexistent" ? void 0 : home;
	} catch {
		return;
	}
}
export { homeDir as t };
