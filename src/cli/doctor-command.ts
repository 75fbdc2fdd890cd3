import * as fs from 'node:fs/promises';
import { styleText } from 'node:util';
import { BottleError, isDamage } from '../errors.ts';
import { formatBytes, freeBytes } from '../host/disk.ts';
import { scratchParent } from '../host/private-dir.ts';
import { engineFacts } from '../pack/docker.ts';
import { findSmolvm, glibcVersion, judgeVersion, requireVirtualization } from '../pack/smolvm.ts';
import { readSidecar } from '../sidecar/verify.ts';
import { storeDir } from '../store/location.ts';
import { Store } from '../store/store.ts';
import type { Output } from './output.ts';

/** Room for an agent image of 2 GB, flattened and packed. */
const COMFORTABLE_BYTES = 8e9;

export interface DoctorOptions {
  readonly store?: string;
}

interface Finding {
  readonly state: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  readonly fix?: string | undefined;
}

/** `claude-bottle doctor`: a line for each thing that packing needs; 78 when one of them is missing. */
export async function runDoctor(
  options: DoctorOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const dir = storeDir(options.store);
  const checks: ReadonlyArray<readonly [name: string, check: () => Promise<Finding>]> = [
    ['docker', () => checkDocker(signal)],
    ['smolvm', checkSmolvm],
    ['machine', checkVirtualization],
    ['scratch', () => checkDisk(scratchParent(), 'TMPDIR')],
    ['store', () => checkStore(dir)],
  ];
  const findings = await Promise.all(
    checks.map(async ([name, check]) => ({ name, ...(await check().catch(failure)) })),
  );
  output.result(
    { findings },
    findings.flatMap(({ name, state, detail, fix }) => [
      `${colored(state)}  ${name.padEnd(8)} ${detail}`,
      ...(fix === undefined ? [] : [`      fix: ${fix}`]),
    ]),
  );
  return findings.some(({ state }) => state === 'fail') ? 78 : 0;
}

function colored(state: Finding['state']): string {
  const color = { ok: 'green', warn: 'yellow', fail: 'red' } as const;
  return styleText(color[state], state.padEnd(4), { stream: process.stdout });
}

function failure(error: unknown): Finding {
  if (error instanceof BottleError) {
    return { state: 'fail', detail: error.message, fix: error.hint };
  }
  throw error;
}

async function checkDocker(signal: AbortSignal): Promise<Finding> {
  const { version, store } = await engineFacts(signal);
  return { state: 'ok', detail: `engine ${version}, ${store} image store` };
}

async function checkSmolvm(): Promise<Finding> {
  const smolvm = await findSmolvm();
  const { refusal, warning } = judgeVersion(smolvm.version, glibcVersion());
  return {
    state: refusal !== undefined ? 'fail' : warning !== undefined ? 'warn' : 'ok',
    detail: refusal ?? warning ?? `${smolvm.version}, ${smolvm.path}`,
    fix: (refusal ?? warning) && 'install a newer smolvm',
  };
}

async function checkVirtualization(): Promise<Finding> {
  await requireVirtualization();
  return {
    state: 'ok',
    detail: process.platform === 'darwin' ? 'Hypervisor framework' : '/dev/kvm can be opened',
  };
}

async function checkDisk(dir: string, variable: string): Promise<Finding> {
  const free = await freeBytes(dir);
  return free < COMFORTABLE_BYTES
    ? {
        state: 'warn',
        detail: `${formatBytes(free)} free in ${dir}`,
        fix: `free some space, or name a larger disk with ${variable}`,
      }
    : { state: 'ok', detail: `${formatBytes(free)} free in ${dir}` };
}

/** Looks at footers and manifests only; `verify --all` reads everything. */
async function checkStore(dir: string): Promise<Finding> {
  const store = await Store.open(dir);
  const damaged: string[] = [];
  const ids = await store.list();
  for (const id of ids) {
    await readSidecar(store.pathFor(id)).catch((error: unknown) => {
      if (!isDamage(error)) {
        throw error;
      }
      damaged.push(id);
    });
  }
  if (damaged.length > 0) {
    return {
      state: 'fail',
      detail: `${damaged.length} of ${ids.length} sidecars in ${dir} are damaged: ${damaged.join(', ')}`,
      fix: 'claude-bottle verify --all moves them to quarantine',
    };
  }
  const exists = await fs.stat(dir).then(
    () => true,
    () => false,
  );
  return { state: 'ok', detail: `${dir}, ${exists ? `${ids.length} sidecars` : 'not there yet'}` };
}
