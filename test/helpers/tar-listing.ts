import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const LISTING_LIMIT_BYTES = 2 ** 28;
const TAR_SCRIPT = join(import.meta.dirname, 'list-tar.py');
const TREE_SCRIPT = join(import.meta.dirname, 'list-tree.py');

/** One entry of a file tree, in what every faithful copy of it must agree. */
export interface EntryFacts {
  type: 'file' | 'directory' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket';
  /** Permission bits with setuid, setgid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Of a file. */
  size?: number;
  sha256?: string;
  /** Of a symlink. */
  target?: string;
  /** Of a device: "major:minor". */
  device?: string;
  /** All paths of the file, sorted, when it has more than one; it does not matter which of them a tar calls the link. */
  links?: string[];
  /** The security.capability attribute in hex. */
  capability?: string;
}

/** Paths that differ between an image and its container, with all that is below them, and why: never compared. */
export const EXCLUDED_PATHS: Readonly<Record<string, string>> = {
  '.dockerenv': 'made by docker create',
  dev: 'a tmpfs in the container; docker create makes it, with console, pts and shm, in the image tree',
  proc: 'a mount in the container; docker create makes the mount point',
  sys: 'a mount in the container; docker create makes the mount point',
  'etc/hostname': 'a bind mount in the container; docker create makes it empty',
  'etc/hosts': 'a bind mount in the container; docker create makes it empty',
  'etc/resolv.conf': 'a bind mount in the container; docker create makes it empty',
  'etc/mtab': 'a symlink to /proc/mounts that docker create makes',
};

/** Lists a tar with Python's own reader, by path without a leading or trailing slash; the root itself is left out. */
export async function listTar(tarPath: string): Promise<Map<string, EntryFacts>> {
  return await readListing('python3', [TAR_SCRIPT, tarPath]);
}

/**
 * Lists the tree that a container of the image sees, with the image's own Python. Volumes are part of it: Docker
 * fills a new anonymous volume with what the image has at its path.
 */
export async function listContainer(image: string): Promise<Map<string, EntryFacts>> {
  const format = '{{range $path, $_ := .Config.Volumes}}{{println $path}}{{end}}';
  const inspected = await promisify(execFile)('docker', ['image', 'inspect', '--format', format, image]);
  const volumes = inspected.stdout.split('\n').filter((path) => path !== '');
  const script = await readFile(TREE_SCRIPT, 'utf8');
  return await readListing('docker', [
    // Read-only: neither Python's bytecode cache nor anything else may change the tree under the listing.
    ...['run', '--rm', '--read-only', '--network', 'none', '--user', '0', '--workdir', '/'],
    ...['--entrypoint', 'python3', image, '-I', '-S', '-B', '-c', script],
    JSON.stringify({ volumes, excluded: Object.keys(EXCLUDED_PATHS) }),
  ]);
}

/** Lists what the engine exports of a container of the image, which need not have any program. */
export async function listExport(image: string, tarPath: string): Promise<Map<string, EntryFacts>> {
  const docker = promisify(execFile);
  const container = (await docker('docker', ['create', image])).stdout.trim();
  try {
    await docker('docker', ['export', '--output', tarPath, container]);
    return await listTar(tarPath);
  } finally {
    await docker('docker', ['rm', '--volumes', container]);
  }
}

/**
 * One line for each path that is in one tree only and for each fact in which the trees differ, without
 * `EXCLUDED_PATHS`; no line means equal trees.
 */
export function diffListings(a: Map<string, EntryFacts>, b: Map<string, EntryFacts>): string[] {
  const paths = [...new Set([...a.keys(), ...b.keys()])].filter((path) => !isExcluded(path)).sort();
  return paths.flatMap((path) => diffEntries(JSON.stringify(path), a.get(path), b.get(path)));
}

function isExcluded(path: string): boolean {
  return Object.keys(EXCLUDED_PATHS).some((left) => path === left || path.startsWith(`${left}/`));
}

function diffEntries(path: string, a: EntryFacts | undefined, b: EntryFacts | undefined): string[] {
  if (a === undefined || b === undefined) {
    const side = a === undefined ? 'second' : 'first';
    return [`${path}: only in the ${side}`];
  }
  const facts = [...new Set([...Object.keys(a), ...Object.keys(b)])] as Array<keyof EntryFacts>;
  return facts
    .filter((fact) => JSON.stringify(a[fact]) !== JSON.stringify(b[fact]))
    .map((fact) => `${path}: ${fact} ${show(fact, a)} in the first, ${show(fact, b)} in the second`);
}

function show(fact: keyof EntryFacts, facts: EntryFacts): string {
  return fact === 'mode' ? `0${facts.mode.toString(8)}` : (JSON.stringify(facts[fact]) ?? 'none');
}

async function readListing(command: string, args: string[]): Promise<Map<string, EntryFacts>> {
  const { stdout } = await promisify(execFile)(command, args, { maxBuffer: LISTING_LIMIT_BYTES });
  return new Map(JSON.parse(stdout) as Array<[string, EntryFacts]>);
}
