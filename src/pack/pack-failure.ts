import { BottleError } from '../errors.ts';
import type { ChildResult } from '../host/child.ts';
import { NEWEST_TESTED_VERSION } from './smolvm.ts';
import { KVM_DEVICE, OPEN_KVM } from './virtualization.ts';

interface Cause {
  /** A part of what smolvm says. */
  readonly text: RegExp;
  /** It stands for smolvm's own last words, which are among the details. */
  readonly reason: string;
  readonly hint: string;
}

/** The first that fits is taken. */
const CAUSES: readonly Cause[] = [
  {
    text: /dial tcp \S+: connect: permission denied/,
    reason: 'it keeps its guest from the loopback of this host, where the image is served',
    hint: `use smolvm ${NEWEST_TESTED_VERSION}: this one does so whatever SMOLVM_ALLOW_HOST_LOOPBACK says`,
  },
  {
    text: /no boot progress|agent did not become ready/,
    reason: 'its virtual machine did not start in time',
    hint: 'try again when the machine is idle; it wants 8 GiB of memory and a KVM that is not itself emulated',
  },
  {
    text: /KvmOpen\(Error\(13\)\)|KVM inaccessible to the VM process/,
    reason: `the user that it starts its virtual machine as may not open ${KVM_DEVICE}`,
    hint: `chmod o+rw ${KVM_DEVICE}`,
  },
  {
    text: /KvmApiVersion/,
    reason: `the device ${KVM_DEVICE} is not KVM`,
    hint: 'pack without a virtual machine (--packer direct), or on a machine with KVM',
  },
  {
    text: /kvm permission denied/i,
    reason: `this user may not open ${KVM_DEVICE}`,
    hint: OPEN_KVM,
  },
  {
    text: /kvm not available/i,
    reason: 'KVM is not available here',
    hint: 'pack without a virtual machine (--packer direct), or on a machine with KVM',
  },
  {
    text: /pull image: .*no space left|merge failed.*disk full|guest.*no space left/is,
    reason: 'the disk of its builder VM is full, by bytes or by the number of files',
    hint: `make the image smaller, or use smolvm ${NEWEST_TESTED_VERSION}, whose disk grows with the image`,
  },
  {
    text: /no space left|disk full|ENOSPC/i,
    reason: 'no space is left on this machine',
    hint: 'free some disk space, or name a larger disk with TMPDIR',
  },
  {
    text: /exceeding the \d+ byte cap/,
    reason: 'the image is larger than it lets through',
    hint: 'raise the cap (SMOLVM_FILE_TRANSFER_MAX_BYTES=128GiB), or make the image smaller',
  },
  {
    text: /unexpected argument '/,
    reason: 'it has other options than its help says',
    hint: `use smolvm ${NEWEST_TESTED_VERSION}`,
  },
];

const DEFAULT_HINT = 'see what smolvm says above; `claude-bottle doctor` checks the machine';

/** @param startLines what the VM's own process has written about its start */
export function packFailure(
  { exitCode, signal, tail }: ChildResult,
  startLines: readonly string[],
): BottleError {
  const lines = tail.map(plainLine);
  const details = [...lines, ...startLines.filter((line) => !lines.some((other) => other.includes(line)))];
  const cause = causeOf(details);
  const lastWords = lines.findLast((line) => line.startsWith(REASON_PREFIX))?.slice(REASON_PREFIX.length);
  const reason = cause?.reason ?? lastWords;
  const ending = exitCode === undefined ? `ended by ${signal}` : `exit code ${exitCode}`;
  return new BottleError(
    'pack-failed',
    `smolvm pack create failed (${ending})${reason === undefined ? '' : `: ${reason}`}`,
    { hint: cause?.hint ?? DEFAULT_HINT, details },
  );
}

/** What helps against what smolvm says. */
export function hintFor(lines: readonly string[]): string {
  return causeOf(lines)?.hint ?? DEFAULT_HINT;
}

function causeOf(lines: readonly string[]): Cause | undefined {
  const said = lines.join('\n');
  return CAUSES.find(({ text }) => text.test(said));
}

const REASON_PREFIX = 'Error: ';

/** A failure that smolvm reports as JSON, in the words that it uses without that option. */
export function plainLine(line: string): string {
  if (!line.startsWith('{"error":')) {
    return line;
  }
  try {
    return `${REASON_PREFIX}${JSON.parse(line).error.message}`;
  } catch {
    return line;
  }
}
