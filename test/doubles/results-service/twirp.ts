import type { ZodType } from 'zod';
import { z } from 'zod';

/** Answered with the HTTP status that Twirp gives the code (twitchtv.github.io/twirp/docs/spec_v7.html). */
export class TwirpError extends Error {
  readonly code: keyof typeof STATUS;

  constructor(code: keyof typeof STATUS, message: string) {
    super(message);
    this.code = code;
  }

  get status(): number {
    return STATUS[this.code];
  }
}

const STATUS = {
  already_exists: 409,
  bad_route: 404,
  invalid_argument: 400,
  malformed: 400,
  not_found: 404,
  permission_denied: 403,
  unauthenticated: 401,
} as const;

/** int64 in the JSON form of protocol buffers: a string of digits, left out when it is 0. */
export const int64 = z.string().regex(/^\d+$/).default('0').transform(Number);

/** A message: snake_case fields, no others; strings that are empty are left out, so required ones are not empty. */
export function parseMessage<T>(schema: ZodType<T>, message: unknown): T {
  const parsed = schema.safeParse(message);
  if (!parsed.success) {
    throw new TwirpError('malformed', z.prettifyError(parsed.error));
  }
  return parsed.data;
}

/** The run and the job that a token is for; its claim `scp` names them. */
export interface Scope {
  readonly runId: string;
  readonly jobId: string;
}

export type TwirpMethod = (message: unknown, scope: Scope) => object | Promise<object>;
