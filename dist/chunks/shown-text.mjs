import { T as _regex, _ as string } from "./schemas.mjs";
// src/identity/shown-text.ts
/** Text from somebody else that is shown to the user: it cannot move the cursor of a terminal. */
const shownText = string().check(_regex(/^\P{Cc}{0,500}$/u));
const MAX_QUOTED_CHARS = 200;
/** A refused value in a message: in quotation marks, and not at length. */
function quoted(text) {
	return JSON.stringify(text.length > MAX_QUOTED_CHARS ? `${text.slice(0, MAX_QUOTED_CHARS)}…` : text);
}
export { shownText as n, quoted as t };
