// src/identity/json.ts
/** The JSON that this project reads is four levels deep, and Sigstore's bundles are ten. */
const MAX_DEPTH = 64;
/**
* JSON that someone else wrote. Functions that walk through a value call themselves for each level, so that thousands of
* brackets would exhaust their stack.
* @throws SyntaxError also for a value that is nested too deeply
*/
function parseJson(text) {
	let depth = 0;
	let isInString = false;
	for (let index = 0; index < text.length; index += 1) {
		const character = text[index];
		if (isInString) {
			if (character === "\\") index += 1;
			else if (character === "\"") isInString = false;
		} else if (character === "\"") isInString = true;
		else if (character === "[" || character === "{") {
			depth += 1;
			if (depth > MAX_DEPTH) throw new SyntaxError(`JSON is nested more than ${MAX_DEPTH} levels deep`);
		} else if (character === "]" || character === "}") depth -= 1;
	}
	return JSON.parse(text);
}
/** Undefined for a text that is not JSON. */
function readableJson(text) {
	try {
		return parseJson(text);
	} catch {
		return;
	}
}
export { readableJson as n, parseJson as t };
