import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { startVm, vmDirectory } from './builder-vm.ts';
import { SmolvmError, UsageError } from './failures.ts';
import { FAULT } from './knobs.ts';
import { cacheDirectory } from './pack-create.ts';

const FOOTER_MAGIC = 'SMOLPACK';
const FOOTER_BYTES = 64;

/** `machine create --from`, `start` and `exec`: the command runs on this host, nothing is unpacked. */
export async function machine(argv: readonly string[]): Promise<number> {
  const [verb, nameFlag, name, ...rest] = argv;
  if (nameFlag !== '--name' || name === undefined) {
    throw new UsageError('smolvm-double: machine commands are understood with --name NAME first');
  }
  const vmDir = vmDirectory(cacheDirectory(), name);
  switch (verb) {
    case 'create':
      await create(vmDir, name, rest);
      return 0;
    case 'start':
      await requireMachine(vmDir, name);
      if (FAULT === 'no-boot') {
        throw new SmolvmError(
          'agent operation failed: wait for ready: agent did not become ready within 30 seconds: no boot progress for 30 seconds',
        );
      }
      await startVm(vmDir, name);
      return 0;
    case 'exec':
      await requireMachine(vmDir, name);
      return await exec(vmDir, name, rest);
    default:
      throw new UsageError(`smolvm-double: machine ${verb} is not doubled`);
  }
}

async function create(vmDir: string, name: string, [flag, sidecar = '']: readonly string[]): Promise<void> {
  if (flag !== '--from') {
    throw new UsageError('smolvm-double: machine create is doubled with --from only');
  }
  const footer = (await fs.readFile(sidecar)).subarray(-FOOTER_BYTES);
  if (!footer.toString('latin1').startsWith(FOOTER_MAGIC)) {
    throw new SmolvmError('agent operation failed: read checkpoint footer: invalid magic: expected SMOLPACK');
  }
  await fs.mkdir(vmDir, { recursive: true });
  await fs.writeFile(join(vmDir, 'name'), name);
  process.stdout.write(`Created machine: ${name}\n`);
}

async function requireMachine(vmDir: string, name: string): Promise<void> {
  await fs.access(join(vmDir, 'name')).catch(() => {
    throw new SmolvmError(`vm not found: ${name}`);
  });
}

async function exec(vmDir: string, name: string, [dashes, ...command]: readonly string[]): Promise<number> {
  const [program, ...args] = command;
  if (dashes !== '--' || program === undefined) {
    throw new UsageError('smolvm-double: machine exec is doubled with -- COMMAND only');
  }
  const pid = Number((await fs.readFile(join(vmDir, 'agent.pid'), 'utf8').catch(() => '')).split('\n')[0]);
  if (!pid) {
    throw new SmolvmError(`vm '${name}' is not running`);
  }
  const { status, signal } = spawnSync(program, args, { stdio: 'inherit' });
  return status ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}
