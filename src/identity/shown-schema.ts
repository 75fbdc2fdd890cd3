import * as z from 'zod/mini';

/** Text from someone else that is shown to the user: it cannot move the cursor of a terminal. */
export const shownText = z.string().check(z.regex(/^\P{Cc}{0,500}$/u));
