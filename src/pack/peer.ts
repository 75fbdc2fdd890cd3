import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { FIRST_VM_UID } from './virtualization.ts';

/**
 * Whether the process at the other end of a loopback connection belongs to our user, or to one that smolvm, run as
 * root, starts a VM as. Only Linux says who owns a connection (proc_pid_net(5), tcp); elsewhere everyone passes.
 */
export async function isOwnPeer(socket: Socket): Promise<boolean> {
  if (process.platform !== 'linux') {
    return true;
  }
  const uid = await peerUid(socket);
  const ours = process.getuid?.();
  return uid !== undefined && (uid === ours || (ours === 0 && uid >= FIRST_VM_UID));
}

/** The owner of the connection whose local end is our remote end. */
async function peerUid(socket: Socket): Promise<number | undefined> {
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket;
  const local = endpoint(remoteAddress, remotePort);
  const remote = endpoint(localAddress, localPort);
  const table = await readFile(remoteAddress.includes(':') ? '/proc/net/tcp6' : '/proc/net/tcp', 'latin1');
  for (const line of table.split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[1] === local && fields[2] === remote) {
      return Number(fields[7]);
    }
  }
  return undefined;
}

const LOOPBACK_V6 = `${'0'.repeat(24)}01000000`;

/** As the kernel prints it: each 32 bits of the address in the byte order of the machine, the port in hexadecimal. */
function endpoint(address: string, port: number): string {
  const hex = address === '::1' ? LOOPBACK_V6 : v4Hex(address);
  return `${hex}:${port.toString(16).toUpperCase().padStart(4, '0')}`;
}

function v4Hex(address: string): string {
  const bytes = address.split('.').map((part) => Number(part).toString(16).toUpperCase().padStart(2, '0'));
  return bytes.reverse().join('');
}
