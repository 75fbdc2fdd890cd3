import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BuildInputs,
  type BuildInputsOptions,
  readBuildInputs,
} from '../../src/context/build-inputs.ts';
import { entriesSha256 } from '../../src/identity/inputs-key.ts';
import { tempDir } from '../helpers/temp-dir.ts';

/** What a tree holds below src/, which the Dockerfile copies. */
type Tree = { readonly [name: string]: Node };
type Node = FileNode | { readonly link: string } | { readonly tree: Tree };
interface FileNode {
  readonly content: string;
  readonly executable: boolean;
}

const DOCKERFILE = 'FROM scratch AS base\nARG A\nFROM base AS last\nCOPY src /\n';
const DOCKERIGNORE = 'src/ignored\n**/*.log\n';

/**
 * Names that machines sort differently (by bytes, UTF-16 units or locale, directories first or not), and names that
 * have two Unicode forms. None differ in case alone: macOS takes those for one.
 */
const name = fc.constantFrom(
  ...[
    'a',
    'a-b',
    'a.b',
    'a b',
    'B',
    '_',
    '.hidden',
    '-',
    '10',
    '9',
    'é',
    'Å',
    'ñandú',
    '각',
    'Ａ',
    '😀',
    'src',
  ],
);
const file = fc.record({ content: fc.string({ maxLength: 20 }), executable: fc.boolean() });
const link = fc.record({ link: fc.constantFrom('a', '../é', '/etc/passwd', 'nowhere/.') });
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.dictionary(
    name,
    fc.oneof(
      { maxDepth: 2, depthSize: 'small' },
      file,
      link,
      tie('tree').map((inner) => ({ tree: inner })),
    ),
    { maxKeys: 5 },
  ),
}));
/** Never without a file and a link to change. */
const someTree = fc
  .tuple(tree, file, link)
  .map(([rest, always, pointer]): Tree => ({ ...rest, always, pointer }));

function nodesOf(nodes: Tree, parent = 'src'): [string, Node][] {
  return Object.entries(nodes).flatMap(([entryName, node]): [string, Node][] => {
    const path = `${parent}/${entryName}`;
    return [[path, node], ...('tree' in node ? nodesOf(node.tree, path) : [])];
  });
}

async function writeNodes(dir: string, nodes: readonly [string, Node][]): Promise<void> {
  await fs.mkdir(join(dir, 'src'), { recursive: true });
  await fs.writeFile(join(dir, 'Dockerfile'), DOCKERFILE);
  await fs.writeFile(join(dir, '.dockerignore'), DOCKERIGNORE);
  for (const [path, node] of nodes) {
    const target = join(dir, path);
    await fs.mkdir('tree' in node ? target : dirname(target), { recursive: true });
    if ('link' in node) {
      await fs.symlink(node.link, target);
    } else if ('content' in node) {
      await fs.writeFile(target, node.content);
      await fs.chmod(target, node.executable ? 0o755 : 0o644);
    }
  }
}

async function read(context: string, options: Partial<BuildInputsOptions> = {}): Promise<BuildInputs> {
  return await readBuildInputs({ context, buildArgs: [], platform: 'linux/amd64', ...options });
}

async function keyOf(context: string, options: Partial<BuildInputsOptions> = {}): Promise<string> {
  return (await read(context, options)).record.key;
}

interface Checkout {
  readonly dir: string;
  readonly nodes: readonly [string, Node][];
  readonly key: string;
  /** A directory for another checkout. */
  readonly other: string;
}

/** Checks out 50 trees, one after the other; `pick` chooses one of a list. */
async function forTrees(
  check: (checkout: Checkout, pick: <T>(from: readonly T[]) => T) => Promise<unknown>,
): Promise<void> {
  const root = await tempDir();
  const trees = fc.asyncProperty(someTree, fc.nat(), async (generated, seed) => {
    const dir = await fs.mkdtemp(join(root, 'checkout-'));
    const other = await fs.mkdtemp(join(root, 'other name '));
    const nodes = nodesOf(generated);
    await writeNodes(dir, nodes);
    const pick = <T>(from: readonly T[]): T => from[seed % from.length] as T;
    await check({ dir, nodes, other, key: await keyOf(dir) }, pick);
    await Promise.all([dir, other].map((path) => fs.rm(path, { recursive: true })));
  });
  await fc.assert(trees, { numRuns: 50 });
}

function filesOf(nodes: readonly [string, Node][]): string[] {
  return nodes.flatMap(([path, node]) => ('content' in node ? path : []));
}

function directoriesOf(nodes: readonly [string, Node][]): string[] {
  return ['src', ...nodes.flatMap(([path, node]) => ('tree' in node ? path : []))];
}

describe('for any tree, the key is the same', () => {
  test.each([
    ['002', 0o775, 0o664],
    ['077', 0o700, 0o600],
  ])('under umask %s', async (_umask, directoryMode, fileMode) => {
    await forTrees(async ({ dir, nodes, key }) => {
      for (const [path, node] of nodes) {
        if ('tree' in node) {
          await fs.chmod(join(dir, path), directoryMode);
        } else if ('content' in node) {
          await fs.chmod(join(dir, path), node.executable ? fileMode | (directoryMode & 0o111) : fileMode);
        }
      }
      expect(await keyOf(dir)).toBe(key);
    });
  });

  test('when everything is touched', async () => {
    await forTrees(async ({ dir, nodes, key }) => {
      for (const [path] of nodes) {
        await fs.lutimes(join(dir, path), 1, 1);
      }
      expect(await keyOf(dir)).toBe(key);
    });
  });

  test('in another directory, where files came in another order', async () => {
    await forTrees(async ({ nodes, other, key }) => {
      await writeNodes(other, nodes.toReversed());
      expect(await keyOf(other)).toBe(key);
    });
  });

  test('when a file comes that no COPY names', async () => {
    await forTrees(async ({ dir, key }, pick) => {
      await fs.writeFile(join(dir, pick(['README', 'src.md', 'src-', 'é'])), '');
      expect(await keyOf(dir)).toBe(key);
    });
  });

  test('when a file comes that is ignored', async () => {
    await forTrees(async ({ dir, nodes, key }, pick) => {
      await fs.writeFile(join(dir, pick(directoriesOf(nodes)), 'x.log'), '');
      await fs.mkdir(join(dir, 'src/ignored/deep'), { recursive: true });
      expect(await keyOf(dir)).toBe(key);
    });
  });

  test('where the file system writes names in Unicode NFD', async () => {
    await forTrees(async ({ nodes, other, key }) => {
      await writeNodes(
        other,
        nodes.map(([path, node]) => [path.normalize('NFD'), node]),
      );
      expect(await keyOf(other)).toBe(key);
    });
  });

  test('in whatever order the entries come', async () => {
    const root = await tempDir();
    const shuffled = fc.asyncProperty(someTree, fc.infiniteStream(fc.nat()), async (generated, ranks) => {
      const dir = await fs.mkdtemp(join(root, 'checkout-'));
      await writeNodes(dir, nodesOf(generated));
      const { entries } = await read(dir);
      const ranked = entries.map((entry) => ({ entry, rank: ranks.next().value as number }));
      const another = ranked.toSorted((a, b) => a.rank - b.rank).map(({ entry }) => entry);
      expect(entriesSha256(another)).toBe(entriesSha256(entries));
    });
    await fc.assert(shuffled, { numRuns: 50 });
  });
});

describe('for any tree, the key is another', () => {
  test('when a file has other content', async () => {
    await forTrees(async ({ dir, nodes, key }, pick) => {
      await fs.appendFile(join(dir, pick(filesOf(nodes))), pick(['\n', '\0', 'a']));
      expect(await keyOf(dir)).not.toBe(key);
    });
  });

  test('when the execute bit of a file is', async () => {
    await forTrees(async ({ dir, nodes, key }, pick) => {
      const path = join(dir, pick(filesOf(nodes)));
      await fs.chmod(path, (await fs.stat(path)).mode ^ 0o111);
      expect(await keyOf(dir)).not.toBe(key);
    });
  });

  test('when a file or a directory has another name', async () => {
    await forTrees(async ({ dir, nodes, key }, pick) => {
      const path = join(dir, pick(nodes)[0]);
      await fs.rename(path, `${path}~`);
      expect(await keyOf(dir)).not.toBe(key);
    });
  });

  test('when something is no longer there', async () => {
    await forTrees(async ({ dir, nodes, key }, pick) => {
      await fs.rm(join(dir, pick(nodes)[0]), { recursive: true });
      expect(await keyOf(dir)).not.toBe(key);
    });
  });

  test('when an empty file or an empty directory comes', async () => {
    await forTrees(async ({ dir, nodes, key }, pick) => {
      const path = join(dir, pick(directoriesOf(nodes)), 'new');
      await pick([() => fs.writeFile(path, ''), () => fs.mkdir(path)])();
      expect(await keyOf(dir)).not.toBe(key);
    });
  });

  test('when a link points elsewhere', async () => {
    await forTrees(async ({ dir, nodes, key }, pick) => {
      const [path, target] = pick(
        nodes.flatMap(([at, node]) => ('link' in node ? [[at, node.link] as const] : [])),
      );
      await fs.rm(join(dir, path));
      await fs.symlink(`${target}x`, join(dir, path));
      expect(await keyOf(dir)).not.toBe(key);
    });
  });

  test('when a link becomes a file with its target for content', async () => {
    await forTrees(async ({ dir, nodes, key }, pick) => {
      const [path, target] = pick(
        nodes.flatMap(([at, node]) => ('link' in node ? [[at, node.link] as const] : [])),
      );
      await fs.rm(join(dir, path));
      await fs.writeFile(join(dir, path), target);
      expect(await keyOf(dir)).not.toBe(key);
    });
  });

  test('with any other build arg', async () => {
    await forTrees(async ({ dir, key }, pick) => {
      const value = pick(['', '1', ' 1', '"1"', 'A=1', '$A', 'é']);
      const given = await keyOf(dir, { buildArgs: [`A=${value}`] });
      expect(given).not.toBe(key);
      expect(await keyOf(dir, { buildArgs: [`A=${value} `] })).not.toBe(given);
      expect(await keyOf(dir, { buildArgs: [`B=${value}`] })).not.toBe(given);
    });
  });

  test('for another target or platform', async () => {
    await forTrees(async ({ dir, key }) => {
      const keys = [
        key,
        await keyOf(dir, { target: 'last' }),
        await keyOf(dir, { platform: 'linux/arm64' }),
        await keyOf(dir, { target: 'last', platform: 'linux/arm64' }),
      ];
      expect(new Set(keys).size).toBe(keys.length);
    });
  });
});

test('a file counts with all of its bytes, however many they are', async () => {
  const dir = await tempDir();
  await writeNodes(dir, []);
  const sizes = fc.oneof(fc.nat(700_000), fc.constantFrom(0, 2 ** 16, 2 ** 18, 2 ** 19));
  const hashed = fc.asyncProperty(sizes, async (sizeBytes) => {
    const bytes = randomBytes(sizeBytes);
    await fs.writeFile(join(dir, 'src/file'), bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    expect((await read(dir)).entries).toContainEqual({
      type: 'file',
      path: 'src/file',
      executable: false,
      sha256,
    });
  });
  await fc.assert(hashed, { numRuns: 50 });
});
