import * as fs from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { readChild } from '../host/child.ts';
import { scratchParent, withPrivateDir } from '../host/private-dir.ts';
import type { Id16 } from '../identity/image-id.ts';
import type { Content } from './inventory.ts';
import { fileKey } from './inventory.ts';
import { sidecarName } from './location.ts';

/** Which of these contents a process has open or mapped, as far as this user may see. */
export async function findOpen(contents: readonly Content[]): Promise<Set<Content>> {
  const wanted = new Map<string, Content>();
  for (const content of contents) {
    for (const { stat } of [...content.names, ...(content.object ? [content.object] : [])]) {
      wanted.set(fileKey(stat), content);
    }
  }
  if (wanted.size === 0) {
    return new Set();
  }
  return process.platform === 'linux' ? await findOpenInProc(wanted) : await findOpenByLsof(contents);
}

async function findOpenInProc(wanted: ReadonlyMap<string, Content>): Promise<Set<Content>> {
  const found = new Set<Content>();
  const note = (content: Content | undefined) => content && found.add(content);
  const byInode = Map.groupBy(wanted, ([key]) => key.slice(key.indexOf(':') + 1));
  for (const pid of (await fs.readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    // Processes end while they are looked at, and others' are not to be seen.
    for (const fd of await fs.readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const stat = await fs.stat(`/proc/${pid}/fd/${fd}`).catch(() => undefined);
      note(stat && wanted.get(fileKey(stat)));
    }
    // proc(5): address, perms, offset, dev, inode, path. The device of a mapping is not always that of stat(2).
    for (const line of (await fs.readFile(`/proc/${pid}/maps`, 'utf8').catch(() => '')).split('\n')) {
      const [, inode = '', path = ''] = /^\S+ \S+ \S+ \S+ (\d+) +(.*)$/.exec(line) ?? [];
      for (const [, content] of byInode.get(inode) ?? []) {
        note(namedAs(content, path) ? content : undefined);
      }
    }
  }
  return found;
}

function namedAs({ names, object }: Content, path: string): boolean {
  const basename = path.replace(/ \(deleted\)$/, '').replace(/^.*\//, '');
  return [...names, ...(object ? [object] : [])].some((name) => name.path.endsWith(`/${basename}`));
}

/** `lsof -t` prints the processes that have a file open or mapped, and fails when there are none. */
export async function findOpenByLsof(
  contents: readonly Content[],
  lsof = '/usr/sbin/lsof',
): Promise<Set<Content>> {
  const found = new Set<Content>();
  for (const content of contents) {
    const paths = content.names.map(({ path }) => path);
    if (paths.length > 0 && (await readChild(lsof, ['-t', '--', ...paths])).stdout.trim() !== '') {
      found.add(content);
    }
  }
  return found;
}

/** smolvm's own names, below what Rust's `dirs::data_local_dir` gives. 1.0 and later write the first. */
const MACHINE_FILES = ['smolvm.db', 'smolvm.redb'];
const SQLITE_MAGIC = 'SQLite format 3\0';
const COPY_TRIES = 3;

/**
 * Which of these names a machine of smolvm refers to. Its records are JSON (`source_smolmachine` is the canonical path
 * of the sidecar) in `vms(name, data)` of a SQLite database in WAL mode, once a redb. Nothing of it is locked:
 * most files do not mention a name at all, and then no machine refers to it. A file that does may mean a machine that
 * was deleted, so a copy of a SQLite database is asked; where that fails, mentioning is enough.
 */
export async function findReferred(ids: readonly Id16[]): Promise<Set<Id16>> {
  const referred = new Set<Id16>();
  for (const path of MACHINE_FILES.map((name) => join(machineDir(), name))) {
    const mentioned = await readMentioned(path, ids);
    if (mentioned.length > 0) {
      const records = await readMachineRecords(path);
      for (const id of mentioned) {
        if (records === undefined || records.some((record) => record.includes(sidecarName(id)))) {
          referred.add(id);
        }
      }
    }
  }
  return referred;
}

function machineDir(): string {
  const { XDG_DATA_HOME } = process.env;
  const dataDir =
    process.platform === 'darwin'
      ? join(homedir(), 'Library', 'Application Support')
      : XDG_DATA_HOME?.startsWith('/')
        ? XDG_DATA_HOME
        : join(homedir(), '.local', 'share');
  return join(dataDir, 'smolvm', 'server');
}

/** A long record is cut into pages, at most once within a name: one of its halves is whole. */
async function readMentioned(path: string, ids: readonly Id16[]): Promise<Id16[]> {
  const files = await Promise.all([path, `${path}-wal`].map(readIfThere));
  return ids.filter((id) =>
    [`/${id.slice(0, 8)}`, sidecarName(id).slice(8)].some((half) =>
      files.some((bytes) => bytes.includes(half)),
    ),
  );
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

/** Undefined when they cannot be read for certain. */
async function readMachineRecords(path: string): Promise<string[] | undefined> {
  try {
    return await withPrivateDir(scratchParent(), async (dir) => {
      const copy = join(dir, 'smolvm.db');
      await copyUnchanged(path, copy);
      const { DatabaseSync } = await import('node:sqlite');
      const database = new DatabaseSync(copy);
      try {
        const rows = database.prepare('SELECT data FROM vms').all();
        return rows.map(({ data }) =>
          data instanceof Uint8Array ? Buffer.from(data).toString('utf8') : String(data),
        );
      } finally {
        database.close();
      }
    });
  } catch {
    return undefined;
  }
}

/** The database and its log belong together only if nobody has written to them meanwhile. */
async function copyUnchanged(path: string, copy: string): Promise<void> {
  for (let tries = 1; tries <= COPY_TRIES; tries += 1) {
    const before = await versionOf(path);
    const bytes = await fs.readFile(path);
    const log = await readIfThere(`${path}-wal`);
    if ((await versionOf(path)) === before && bytes.toString('latin1', 0, 16) === SQLITE_MAGIC) {
      await fs.writeFile(copy, bytes, { mode: 0o600 });
      await fs.writeFile(`${copy}-wal`, log, { mode: 0o600 });
      return;
    }
  }
  throw new Error(`${path} is no SQLite database, or one that changes all the time`);
}

async function versionOf(path: string): Promise<string> {
  const versions = [path, `${path}-wal`].map(async (file) => {
    const stat = await fs.stat(file, { bigint: true }).catch(() => undefined);
    return stat && `${stat.ino} ${stat.size} ${stat.mtimeNs}`;
  });
  return (await Promise.all(versions)).join();
}
