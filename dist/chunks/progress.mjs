// src/progress.ts
function warningsTo(onProgress) {
	return (message) => onProgress({
		type: "warning",
		message
	});
}
export { warningsTo as t };
