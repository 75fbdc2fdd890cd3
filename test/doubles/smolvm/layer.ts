import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.ts';
import type { PulledLayer } from './pull.ts';

/** Devices and FIFOs become empty files of the same mode, owner and time. */
const EMPTY_SPECIAL_FILES = `for path; do
  set -- $(stat -c '%a %u:%g %Y' "$path") && rm "$path" && : > "$path" \\
    && chown "$2" "$path" && chmod "$1" "$path" && touch -d "@$3" "$path" || exit 1
done`;

/**
 * Unpacks a layer and packs it again, as smolvm's guest does, so that its bytes are not those that the registry
 * served. What it loses is in docs/guest-differences.md.
 */
export async function repackLayer({ tarPath }: PulledLayer, dir: string, repacked: string): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) {
    process.stderr.write('smolvm-double: not root: the layer loses owners and device nodes\n');
  }
  const root = join(dir, 'layer');
  await fs.mkdir(root);
  await run('tar', ['-xpf', tarPath, '--numeric-owner', '-C', root], { mayFail: !isRoot });
  await fs.rm(tarPath);
  const special = ['(', ...['-type', 'p', '-o', '-type', 'c', '-o', '-type', 'b'], ')'];
  await run('find', [root, ...special, '-exec', 'sh', '-c', EMPTY_SPECIAL_FILES, 'sh', '{}', '+']);
  await run('find', [
    root,
    '!',
    '-type',
    'd',
    '!',
    '-newermt',
    '@0',
    '-exec',
    'touch',
    '-h',
    '-d',
    '@1',
    '{}',
    '+',
  ]);
  await run('find', [root, '-type', 'd', '-exec', 'touch', '{}', '+']);
  await run('tar', ['-cf', repacked, '--format=gnu', '--numeric-owner', '-C', root, '.']);
}
