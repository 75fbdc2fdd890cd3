/**
 * Prints every entry of the root's file system, also where nothing but busybox is at hand. Names must have no line
 * breaks. Mounts are not entered.
 */
export const LISTING_SCRIPT = [
  'cd /',
  "find . -xdev -exec stat -c '%F|%a|%u:%g|%s|%Y|%i|%t:%T|%N' {} +",
  'find . -xdev -type f -exec sha256sum {} +',
].join('; ');

export interface Entry {
  readonly type: string;
  readonly mode: string;
  readonly owner: string;
  readonly mtime: string;
  /** Of a file. */
  readonly size?: string | undefined;
  readonly content?: string | undefined;
  /** Of a symbolic link. */
  readonly target?: string;
  /** Of a device. */
  readonly device?: string | undefined;
  /** The other names of the same file. */
  readonly links: readonly string[];
}

const LINE =
  /^(?<type>[^|]+)\|(?<mode>\d+)\|(?<owner>\d+:\d+)\|(?<size>\d+)\|(?<mtime>-?\d+)\|(?<inode>\d+)\|(?<device>[^|]+)\|(?<name>.+)$/;
const LINK_NAME = /^'(?<path>.*)' -> '(?<target>.*)'$/;

/** The entries by path, from what `LISTING_SCRIPT` prints. */
export function parseListing(text: string): Map<string, Entry> {
  const lines = text.split('\n');
  const contents = new Map(
    lines.filter((line) => /^[0-9a-f]{64} {2}/.test(line)).map((line) => [line.slice(66), line.slice(0, 64)]),
  );
  const found = lines.map((line) => LINE.exec(line)?.groups).filter((groups) => groups !== undefined);
  const paths = Map.groupBy(found, ({ inode }) => inode);
  return new Map(
    found.map(({ type = '', mode = '', owner = '', size, mtime = '', inode, device, name = '' }) => {
      const { path = name, target } = LINK_NAME.exec(name)?.groups ?? {};
      const isFile = type.startsWith('regular');
      const others = type === 'directory' ? [] : (paths.get(inode) ?? []).map((other) => other.name ?? '');
      const entry: Entry = {
        type: isFile ? 'file' : type.replace(' special file', ' device'),
        mode,
        owner,
        mtime,
        ...(isFile && { size, content: contents.get(path) }),
        ...(target !== undefined && { target }),
        ...(type.endsWith('special file') && { device }),
        links: others.filter((other) => other !== name).sort(),
      };
      return [path.slice(1) || '/', entry] as const;
    }),
  );
}

const FIELDS = ['type', 'mode', 'owner', 'size', 'content', 'target', 'device', 'links', 'mtime'] as const;

/**
 * What differs, each kind once: a path that only one side has, or a kind of entry and a field. What follows from
 * another type (a size, a device number) is not said again.
 */
export function differences(
  expected: ReadonlyMap<string, Entry>,
  actual: ReadonlyMap<string, Entry>,
  { isRuntimePath, touched }: { isRuntimePath: (path: string) => boolean; touched: readonly string[] },
): string[] {
  const found = new Set<string>();
  for (const path of new Set([...expected.keys(), ...actual.keys()])) {
    const before = expected.get(path);
    const after = actual.get(path);
    if (isRuntimePath(path)) {
      continue;
    }
    if (before === undefined || after === undefined) {
      found.add(`${path}: ${before === undefined ? 'only in the machine' : 'only in the container'}`);
    } else if (before.type !== after.type) {
      found.add(`${before.type}: type`);
    } else {
      const fields = FIELDS.filter((name) => name !== 'mtime' || !touched.includes(path));
      const age = Number(before.mtime) <= 0 ? ' from before 1970' : '';
      for (const field of fields.filter((name) => String(before[name]) !== String(after[name]))) {
        found.add(`${before.type}${field === 'mtime' ? age : ''}: ${field}`);
      }
    }
  }
  return [...found].sort();
}
