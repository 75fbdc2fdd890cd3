import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { homeDir } from '../host/home.ts';

/** smolvm's own names, with the log of what is not in the database yet. Before 1.0 it was a redb. */
const MACHINE_FILES = ['smolvm.db', 'smolvm.db-wal', 'smolvm.redb'];

/**
 * The file names that smolvm's database of machines mentions. A machine's record has the path of the sidecar that it was made
 * from. That of a machine that was deleted may still be there: then its sidecar stays for longer than it has to.
 */
export async function findMentioned(names: readonly string[]): Promise<Set<string>> {
  const files = await Promise.all(MACHINE_FILES.map((name) => readIfThere(join(machineDir(), name))));
  const isMentioned = (name: string) =>
    // A long record is cut into pages, at most once within a name, so that one of its halves is whole.
    [`/${name.slice(0, 8)}`, name.slice(8)].some((half) => files.some((bytes) => bytes.includes(half)));
  return new Set(names.filter(isMentioned));
}

/** Below what Rust's `dirs::data_local_dir` gives. */
function machineDir(): string {
  const { XDG_DATA_HOME } = process.env;
  // Without a home directory smolvm has no database either, and the path leads to nothing.
  const home = homeDir() ?? '/nonexistent';
  const dataDir =
    process.platform === 'darwin'
      ? join(home, 'Library', 'Application Support')
      : XDG_DATA_HOME?.startsWith('/')
        ? XDG_DATA_HOME
        : join(home, '.local', 'share');
  return join(dataDir, 'smolvm', 'server');
}

async function readIfThere(path: string): Promise<Buffer> {
  try {
    return await fs.readFile(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) {
      return Buffer.alloc(0);
    }
    throw error;
  }
}
