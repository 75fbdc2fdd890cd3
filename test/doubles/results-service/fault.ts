import { setTimeout as sleep } from 'node:timers/promises';

/** What goes wrong with one request. `status` to `hang` keep the service from doing its work, the others do not. */
export type Fault =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly body?: string | object;
      readonly headers?: Record<string, string>;
    }
  /** The socket is destroyed, without an answer. */
  | { readonly kind: 'reset' }
  /** No answer, until the service is closed. */
  | { readonly kind: 'hang' }
  /** The work is done, the answer never arrives. */
  | { readonly kind: 'lost-answer' }
  /** The connection ends after this many bytes of the body of a blob's PUT, or of the answer to its GET. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** The body of a blob's PUT is read, or that of its GET is sent, at this speed. */
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  /** The JSON answer is another one. */
  | {
      readonly kind: 'transform';
      readonly answer: (answer: Record<string, unknown>) => Record<string, unknown>;
    };

/** The way Twirp reports an error, such as `already_exists` with 409 or `permission_denied` with 403. */
export function twirpFault(status: number, code: string, msg: string): Fault {
  return { kind: 'status', status, body: { code, msg } };
}

/** What Azure Storage answers to a signed URL whose time is over. */
export const EXPIRED_SIGNATURE: Fault = {
  kind: 'status',
  status: 403,
  headers: { 'content-type': 'application/xml', 'x-ms-error-code': 'AuthenticationFailed' },
  body:
    '<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthenticationFailed</Code>' +
    '<Message>Server failed to authenticate the request. Signature not valid in the specified time frame</Message></Error>',
};

/** Thrown into the reader of a body that a fault cuts. */
export class CutError extends Error {}

/** A body as the fault leaves it. */
export async function* withFault(
  body: AsyncIterable<Buffer>,
  fault: Fault | undefined,
): AsyncIterable<Buffer> {
  let passed = 0;
  for await (const chunk of body) {
    if (fault?.kind === 'cut' && passed + chunk.length >= fault.afterBytes) {
      yield chunk.subarray(0, fault.afterBytes - passed);
      throw new CutError(`cut after ${fault.afterBytes} bytes`);
    }
    passed += chunk.length;
    if (fault?.kind === 'slow') {
      yield* slowly(chunk, fault.bytesPerSecond);
    } else {
      yield chunk;
    }
  }
}

async function* slowly(chunk: Buffer, bytesPerSecond: number): AsyncIterable<Buffer> {
  const step = Math.max(1, Math.ceil(bytesPerSecond / 20));
  for (let start = 0; start < chunk.length; start += step) {
    const part = chunk.subarray(start, start + step);
    await sleep((1000 * part.length) / bytesPerSecond, undefined, { ref: false });
    yield part;
  }
}
