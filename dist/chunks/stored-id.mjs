import { t as BottleError } from "./errors.mjs";
import { h as parseId16 } from "./verify.mjs";
// src/cli/stored-id.ts
/**
* The name in the store that a user means: by an image ID, or by its first digits, of which `ls` shows twelve.
* @returns undefined for a text that cannot be one, such as a path
* @throws BottleError `usage` for digits that several names begin with
*/
async function findId(store, text) {
	const whole = parseId16(text);
	const digits = text.replace(/^sha256:/, "");
	if (whole !== void 0 || !/^[0-9a-f]{4,63}$/.test(digits)) return whole;
	const [id, ...others] = (await store.list()).filter((each) => each.startsWith(digits.slice(0, 16)));
	if (others.length > 0) throw new BottleError("usage", `${others.length + 1} sidecars of the store begin with ${digits}`, { hint: "claude-bottle ls --json  # shows all digits" });
	return id;
}
export { findId as t };
