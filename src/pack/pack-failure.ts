import { BottleError } from '../errors.ts';
import type { ChildResult } from '../host/child.ts';
import { NEWEST_TESTED_VERSION } from './smolvm.ts';
import { KVM_DEVICE, OPEN_KVM } from './virtualization.ts';

/** What smolvm says when it fails, by a part of its text, and what helps. The first that fits is taken. */
const HINTS: ReadonlyArray<readonly [text: RegExp, hint: string]> = [
  [
    /dial tcp \S+: connect: permission denied/,
    `this smolvm keeps its guest from the loopback of this host, whatever SMOLVM_ALLOW_HOST_LOOPBACK says: use smolvm ${NEWEST_TESTED_VERSION}`,
  ],
  [
    /no boot progress|agent did not become ready/,
    'the virtual machine did not start in time: it wants 8 GiB of memory and a KVM that is not itself emulated; try again when the machine is idle',
  ],
  [
    /KvmOpen\(Error\(13\)\)|KVM inaccessible to the VM process/,
    `smolvm starts its VM as another user: chmod o+rw ${KVM_DEVICE}`,
  ],
  [/kvm permission denied/i, `allow this user to open ${KVM_DEVICE}: ${OPEN_KVM}`],
  [/kvm not available/i, 'pack on a machine with KVM, and bring the file here'],
  [
    /pull image: .*no space left|merge failed.*disk full|guest.*no space left/is,
    `the disk of smolvm's builder VM is full, by bytes or by the number of files: make the image smaller, or use smolvm ${NEWEST_TESTED_VERSION}, whose disk grows with the image`,
  ],
  [/no space left|disk full|ENOSPC/i, 'free some disk space, or name a larger disk with TMPDIR'],
  [
    /exceeding the \d+ byte cap/,
    'raise the cap (SMOLVM_FILE_TRANSFER_MAX_BYTES=128GiB), or make the image smaller',
  ],
  [
    /unexpected argument '/,
    `this smolvm has other options than its help says: use smolvm ${NEWEST_TESTED_VERSION}`,
  ],
];

const DEFAULT_HINT = 'see what smolvm says above; `claude-bottle doctor` checks the machine';

/** @param startLines what the VM's own process has written about its start */
export function packFailure(
  { exitCode, signal, tail }: ChildResult,
  startLines: readonly string[],
): BottleError {
  const lines = tail.map(plainLine);
  const details = [...lines, ...startLines.filter((line) => !lines.some((other) => other.includes(line)))];
  const reason = lines.findLast((line) => line.startsWith(REASON_PREFIX))?.slice(REASON_PREFIX.length);
  const ending = exitCode === undefined ? `ended by ${signal}` : `exit code ${exitCode}`;
  return new BottleError(
    'pack-failed',
    `smolvm pack create failed (${ending})${reason === undefined ? '' : `: ${reason}`}`,
    { hint: hintFor(details.join('\n')), details },
  );
}

/** What helps against what smolvm says. */
export function hintFor(text: string): string {
  return HINTS.find(([pattern]) => pattern.test(text))?.[1] ?? DEFAULT_HINT;
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
