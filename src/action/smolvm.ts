import { hash } from 'node:crypto';
import { DIRECT_SMOLVM_VERSION } from '../pack/direct.ts';
import { sweepKilledRuns } from '../pack/pack.ts';
import { findSmolvm, requireSupported, type Smolvm } from '../pack/smolvm.ts';
import { memoryWarning } from '../pack/virtualization.ts';
import type { ActionInputs } from './inputs.ts';
import { prepareKvm } from './kvm.ts';
import type { RunnerLog } from './log.ts';
import type { PackSettings } from './runner-cache.ts';
import { fileSha256, installSmolvm, releaseSha256 } from './smolvm-release.ts';

/** Sets smolvm up when it is first needed, because a hit by the inputs key needs neither smolvm nor KVM nor Docker. */
export interface SmolvmSetup {
  identify(): Promise<PackSettings['smolvm']>;
  /** Also opens KVM, and removes what killed runs have left. Undefined where the packer needs no smolvm. */
  prepare(): Promise<Smolvm | undefined>;
}

export function setUpSmolvmOnce(
  { packer, smolvm, kvmCheck }: ActionInputs,
  { log, signal }: { readonly log: RunnerLog; readonly signal: AbortSignal },
): SmolvmSetup {
  const { onProgress } = log;
  const identify = async () =>
    'path' in smolvm
      ? { version: (await findSmolvm(smolvm.path)).version, sha256: await fileSha256(smolvm.path) }
      : { version: smolvm.version, sha256: releaseSha256(smolvm) };
  if (packer === 'direct') {
    return {
      identify: async () => ({ version: DIRECT_SMOLVM_VERSION, sha256: hash('sha256', packer) }),
      prepare: async () => {
        await sweepKilledRuns(signal, onProgress);
        return undefined;
      },
    };
  }
  let identity: ReturnType<typeof identify> | undefined;
  let prepared: Promise<Smolvm> | undefined;
  const prepare = async () => {
    await sweepKilledRuns(signal, onProgress);
    if (kvmCheck) {
      await prepareKvm();
      const warning = memoryWarning();
      if (warning !== undefined) {
        log.warning('Little memory', warning);
      }
    } else {
      log.warning('KVM not checked', 'kvm-check is false: this is for a smolvm that starts no machine');
    }
    const path = 'path' in smolvm ? smolvm.path : await installSmolvm(smolvm, { onProgress, signal });
    const found = await findSmolvm(path);
    requireSupported(found);
    return found;
  };
  return {
    identify: async () => {
      identity ??= identify();
      return await identity;
    },
    prepare: async () => {
      prepared ??= prepare();
      return await prepared;
    },
  };
}
