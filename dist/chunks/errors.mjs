// src/errors.ts
/**
* The exit codes are a contract with callers (docs/troubleshooting.md). Each error code names one failure and
* maps to exactly one of them.
*/
const EXIT_CODES = {
	usage: 64,
	"sidecar-damaged": 65,
	"sidecar-refused": 65,
	"not-found": 66,
	"docker-unreachable": 69,
	"network-failed": 69,
	"upload-failed": 69,
	internal: 70,
	"cannot-write": 73,
	io: 74,
	"try-later": 75,
	"smolvm-untrusted": 76,
	"not-trusted": 76,
	authentication: 77,
	"docker-not-permitted": 77,
	"docker-missing": 78,
	"git-failed": 78,
	"smolvm-missing": 78,
	"smolvm-unsupported": 78,
	"kvm-unavailable": 78,
	"store-unsafe": 78,
	"image-id-unstable": 78,
	"secret-found": 1,
	"docker-failed": 1,
	"build-failed": 1,
	"registry-failed": 1,
	"pack-failed": 1,
	"smoke-test-failed": 1,
	"timed-out": 1
};
/** A failure the user is told about: what happened, with the value, and one thing to do. */
var BottleError = class extends Error {
	name = "BottleError";
	code;
	/** Each an instruction, or a command to paste, with a `# comment` behind two spaces where it needs one. */
	hints;
	/** Lines to show below the message, such as the end of a build log. */
	details;
	/** The permission that a workflow's job lacks, as YAML has it: `packages: write`. */
	permission;
	constructor(code, message, options = {}) {
		super(message, options.cause === void 0 ? void 0 : { cause: options.cause });
		this.code = code;
		this.hints = [options.hint ?? []].flat();
		this.details = options.details ?? [];
		this.permission = options.permission;
	}
	/** What to do, in one text. */
	get hint() {
		return this.hints.length === 0 ? void 0 : this.hints.join("\n");
	}
	get exitCode() {
		return EXIT_CODES[this.code];
	}
};
/** The user or the system asked us to stop. `signal` decides the exit code, 128 + its number. */
var InterruptedError = class extends Error {
	name = "InterruptedError";
	signal;
	constructor(signal) {
		super(`stopped by ${signal}`);
		this.signal = signal;
	}
};
/** Whether a sidecar itself is at fault, and not the way to it. */
function isDamage(error) {
	return error instanceof BottleError && error.exitCode === 65;
}
function hasErrno(error, ...codes) {
	return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
/**
* What a failed file operation means to the user, who can do something about space and permissions.
* @param action names the file
*/
function fileError(action, error) {
	const reason = error instanceof Error ? error.message : String(error);
	const place = settingFor(`${action} ${reason}`);
	if (hasErrno(error, "ENOSPC", "EDQUOT")) return new BottleError("cannot-write", `${action}: no space left (${reason})`, {
		hint: `free some disk space, or use another disk for ${place}`,
		cause: error
	});
	if (hasErrno(error, "EACCES", "EPERM", "EROFS")) return new BottleError("cannot-write", `${action}: not writable (${reason})`, {
		hint: `make the directory writable for this user, or use another one for ${place}`,
		cause: error
	});
	if (hasErrno(error, "ENOTDIR")) return new BottleError("cannot-write", `${action}: a part of its path is not a directory (${reason})`, {
		hint: `check the path, or use another directory for ${place}`,
		cause: error
	});
	if (hasErrno(error, "ENOSYS", "ENOTSUP", "EOPNOTSUPP")) return new BottleError("cannot-write", `${action}: the file system does not support it (${reason})`, {
		hint: `use a directory on another disk for ${place}`,
		cause: error
	});
	if (hasErrno(error, "ENAMETOOLONG")) return new BottleError("usage", `${action}: the name is too long (${reason})`, {
		hint: "use names of at most 255 bytes, in a path of at most 4095",
		cause: error
	});
	return new BottleError("io", `${action}: ${reason}`, { cause: error });
}
/** The setting that moves the directory of a message elsewhere. */
function settingFor(message) {
	const { RUNNER_TEMP: runnerTemp } = process.env;
	return runnerTemp && message.includes(runnerTemp) ? "RUNNER_TEMP" : "the store or TMPDIR";
}
/** An error that nothing foresaw is a bug in this project; `hint` says what its report needs. */
function asBottleError(error, hint) {
	if (error instanceof Error && "syscall" in error && error.syscall === "uv_cwd") return new BottleError("not-found", "the working directory has been deleted", {
		hint: "change to a directory that exists",
		cause: error
	});
	if (hasErrno(error, "ENAMETOOLONG")) return fileError("cannot use a path", error);
	return error instanceof BottleError ? error : new BottleError("internal", `unexpected: ${error instanceof Error ? error.message : error}`, {
		hint,
		cause: error
	});
}
/** With the stacks of its causes. */
function stackOf(error) {
	const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : "";
	return `${error.stack}${cause}`;
}
export { fileError as a, stackOf as c, asBottleError as i, EXIT_CODES as n, hasErrno as o, InterruptedError as r, isDamage as s, BottleError as t };
