import { BottleError } from '../errors.ts';
import type { Explanation } from './explain-miss.ts';
import type { Wanted } from './source.ts';

/** A source that has nothing, or could not be asked. */
export interface Miss {
  readonly source: string;
  readonly reason: string;
  readonly hint?: string | undefined;
  readonly failure?: BottleError;
}

/** What always helps. */
export const PACK_HINT = 'claude-bottle pack  # pack it here, takes minutes';

/** The detail that a script or a registry's list of tags can be compared with. */
export function keyLine({ key, platform }: Pick<Wanted, 'key' | 'platform'>): string {
  return `inputs key ${key.slice(0, 16)}, ${platform}`;
}

/**
 * Its headline is the cause, as far as that is known. A source that could not be asked may have the sidecar, so its failure
 * comes first, and decides the exit code.
 */
export function missError(wanted: Wanted, misses: readonly Miss[], explanation: Explanation): BottleError {
  const failure = (['try-later', 'network-failed', 'authentication'] as const)
    .map((code) => misses.find((miss) => miss.failure?.code === code)?.failure)
    .find((each) => each !== undefined);
  const isSame = misses.every(({ reason }) => reason === misses[0]?.reason);
  const { message, hint } =
    (failure && { message: failure.message, hint: failure.hints[0] }) ??
    (isSame && (wanted.repository === undefined || explanation.cause === undefined)
      ? ofOne(misses[0])
      : undefined) ??
    explanation.cause ??
    NOTHING;
  const others = misses.filter(({ reason }) => reason !== message);
  const width = Math.max(0, ...others.map(({ source }) => source.length));
  const isForSources = failure === undefined && explanation.cause?.isLocal !== true;
  const ofSource = isForSources ? others.find((miss) => miss.hint !== undefined)?.hint : undefined;
  const first = ofSource ?? hint;
  return new BottleError(failure?.code ?? 'not-found', message, {
    hint: first === undefined ? PACK_HINT : [first, PACK_HINT],
    details: [
      ...explanation.details,
      ...others.map(({ source, reason }) =>
        misses.length === 1 ? reason : `${source.padEnd(width)}  ${reason}`,
      ),
      keyLine(wanted),
    ],
    cause: failure,
  });
}

const NOTHING = { message: 'nothing is published for this checkout', hint: undefined };

function ofOne(miss: Miss | undefined): { message: string; hint: string | undefined } | undefined {
  return miss && { message: miss.reason, hint: miss.hint };
}
