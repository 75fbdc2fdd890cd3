import { t as BottleError } from "./errors.mjs";
import { t as parseJson } from "./json.mjs";
import { l as packRecordSchema } from "./verify.mjs";
// src/fetch/record.ts
/**
* A pack record as some source has it; `where` is that place, for the message.
* @throws BottleError `sidecar-damaged`
*/
function parseRecord(content, where) {
	const json = recordJson(content.toString(), where);
	const { data, error } = packRecordSchema.safeParse(json);
	if (data !== void 0) return data;
	const version = versionOf(json);
	if (typeof version === "number" && version > 1) throw damagedRecord(`${where} is a pack record of version ${version}, and this claude-bottle knows 1`, "update claude-bottle");
	const [issue] = error.issues;
	throw damagedRecord(`${where} is not a valid pack record: field ${issue?.path.join(".") || "(all)"} is invalid`);
}
function recordJson(text, where) {
	try {
		return parseJson(text);
	} catch (error) {
		throw damagedRecord(`${where} is not a valid pack record: ${error instanceof Error && error.message.includes("nested") ? error.message : "it is not JSON"}`, void 0, error);
	}
}
function versionOf(json) {
	return typeof json === "object" && json !== null && "version" in json ? json.version : void 0;
}
function damagedRecord(message, hint = "publish the sidecar again, or pack your own: claude-bottle pack", cause) {
	return new BottleError("sidecar-damaged", message, {
		hint,
		cause
	});
}
export { parseRecord as n, damagedRecord as t };
