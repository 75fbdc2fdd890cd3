import type { Ran } from './guest/commands.ts';

/**
 * What smolvm says when its virtual machine did not come up, or died, on an emulated processor that other programs keep
 * from running. It is tried again.
 */
export const STALLED = /no boot progress|did not become ready|VM exited without shutdown acknowledgment/;

export type Stage = 'embedded' | 'kill' | 'container' | 'smoke-test' | 'direct';

/** What the nested machine is to do. */
export interface Job {
  readonly version: string;
  readonly smolvmDir: string;
  readonly image: string;
  readonly registryImage: string;
  /** Whether `smolvm machine exec` takes a user. */
  readonly hasUserOption: boolean;
  readonly stages: readonly Stage[];
}

export interface MachineReport {
  readonly create: Ran;
  /** One for each try: a boot that stalls is tried again. */
  readonly starts: readonly Ran[];
  readonly who?: Ran;
  readonly listing?: Ran;
  readonly stop?: Ran;
  readonly remove?: Ran;
}

export interface ChainReport {
  /** One for each try, as with `starts`. */
  readonly packs: readonly Ran[];
  readonly machine?: MachineReport;
}

export interface InterruptedReport {
  readonly ran: Ran;
  readonly left: readonly string[];
}

export interface SmokeTestReport {
  readonly passed: readonly Ran[];
  readonly failed: readonly Ran[];
  readonly left: readonly string[];
}

/** What came of it; what is missing was not reached. */
export interface Report {
  version: string;
  /** What the kernel of the nested machine complains of. */
  complaints?: readonly string[];
  embedded?: ChainReport;
  container?: ChainReport;
  direct?: ChainReport;
  sigterm?: InterruptedReport;
  sigkill?: InterruptedReport;
  smokeTest?: SmokeTestReport;
  /** What is left behind after the last pack through a container. */
  left?: readonly string[];
}
