import { setTimeout } from 'node:timers/promises';

const DEFAULT_VERSION = '1.32.2';

const FAULTS = [
  'no-kvm',
  'kvm-permission',
  'no-boot',
  'exit-1',
  'segfault',
  'slow-layer',
  'hang',
  'cap',
  'enospc',
  'die-after-stub',
  'die-mid-sidecar',
  'corrupt-sidecar',
  'no-output',
  'empty-output',
  'only-stub',
] as const;
const CLIENTS = ['crane', 'own'] as const;

/** The version of smolvm that this run behaves like. */
export const VERSION = process.env.SMOLVM_DOUBLE_VERSION ?? DEFAULT_VERSION;
export const FAULT = oneOf('SMOLVM_DOUBLE_FAULT', FAULTS);
/** What pulls; undefined: crane if it is there. */
export const CLIENT = oneOf('SMOLVM_DOUBLE_CLIENT', CLIENTS);
const STAGE_DELAY_MS = Number(process.env.SMOLVM_DOUBLE_STAGE_DELAY_MS ?? 0);

export function isSince(version: string): boolean {
  return VERSION.localeCompare(version, 'en', { numeric: true }) >= 0;
}

/** Holds each stage open, so that a test can look at it or end it there. */
export async function delayStage(): Promise<void> {
  await setTimeout(STAGE_DELAY_MS);
}

/** A name that is not known would be a test that tests nothing. */
function oneOf<T extends string>(variable: string, known: readonly T[]): T | undefined {
  const value = process.env[variable];
  const found = known.find((name) => name === value);
  if (value && found === undefined) {
    throw new Error(`smolvm-double: ${variable}=${value} is not one of ${known.join(', ')}`);
  }
  return found;
}
