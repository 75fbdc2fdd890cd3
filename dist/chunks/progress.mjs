// src/progress.ts
function warningsTo(onProgress) {
	return (message) => onProgress({
		type: "warning",
		message
	});
}
/** For what the store has found damaged. */
function quarantinesTo(onProgress) {
	return (reason, movedTo) => onProgress({
		type: "warning",
		message: `${reason}; moved to ${movedTo}`
	});
}
export { warningsTo as n, quarantinesTo as t };
