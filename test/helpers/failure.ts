import { BottleError } from '../../src/errors.ts';

/** The error that `work` must end with. */
export async function failureOf(work: Promise<unknown>): Promise<BottleError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof BottleError)) {
    throw new Error(`expected a BottleError, got ${error}`, { cause: error });
  }
  return error;
}
