import * as z from 'zod/mini';

/** Text from somebody else that is shown to the user: it cannot move the cursor of a terminal. */
export const shownText = z.string().check(z.regex(/^\P{Cc}{0,500}$/u));

const MAX_QUOTED_CHARS = 200;

/** A refused value in a message: in quotation marks, and not at length. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTED_CHARS ? `${text.slice(0, MAX_QUOTED_CHARS)}…` : text);
}
