import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type BuildInputsOptions, readBuildInputs } from '../../src/context/build-inputs.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const DOCKERFILE = 'FROM scratch\nARG A=1\nCOPY src package.json /\n';

async function write(dir: string, files: Record<string, string>): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    await fs.mkdir(dirname(join(dir, path)), { recursive: true });
    await fs.writeFile(join(dir, path), content);
  }
  return dir;
}

async function sampleContext(files: Record<string, string> = {}): Promise<string> {
  const dir = await write(await tempDir(), {
    Dockerfile: DOCKERFILE,
    'README.md': 'read me',
    'package.json': '{}',
    'src/main.ts': 'main',
    'src/lib/a.ts': 'a',
    ...files,
  });
  await fs.symlink('main.ts', join(dir, 'src/link'));
  return dir;
}

async function read(context: string, options: Partial<BuildInputsOptions> = {}) {
  const { record, ...rest } = await readBuildInputs({
    context,
    buildArgs: [],
    platform: 'linux/amd64',
    ...options,
  });
  return { ...record, ...rest };
}

async function pathsOf(context: string, options: Partial<BuildInputsOptions> = {}): Promise<string[]> {
  return (await read(context, options)).entries.map(({ path }) => path);
}

describe('the key stays', () => {
  test.each<[string, (dir: string) => Promise<unknown> | unknown]>([
    ['under umask 002', (dir) => execFileSync('chmod', ['-R', 'g+w', dir])],
    ['when the mode of a directory changes', (dir) => fs.chmod(join(dir, 'src'), 0o700)],
    ['when files are touched', (dir) => fs.utimes(join(dir, 'src/main.ts'), 1, 1)],
    [
      'when only its owner can execute a file or all can',
      (dir) => fs.chmod(join(dir, 'src/lib/a.ts'), 0o600),
    ],
    ['when a file changes that no COPY names', (dir) => fs.appendFile(join(dir, 'README.md'), 'more')],
    ['when a file comes that no COPY names', (dir) => fs.writeFile(join(dir, 'package.json.bak'), '')],
  ])('%s', async (_what, change) => {
    const dir = await sampleContext();
    const { key } = await read(dir);
    await change(dir);
    expect((await read(dir)).key).toBe(key);
  });

  test('in another directory, whose files came in another order', async () => {
    const dir = await sampleContext();
    const other = await tempDir();
    await fs.symlink('main.ts', join(await write(other, { 'src/lib/a.ts': 'a' }), 'src/link'));
    await write(other, { 'src/main.ts': 'main', 'package.json': '{}', Dockerfile: DOCKERFILE });
    expect((await read(other)).key).toBe((await read(dir)).key);
  });

  test('when a name is written in another Unicode form', async () => {
    const composed = await sampleContext({ 'src/\u00e9': 'e' });
    const decomposed = await sampleContext({ 'src/e\u0301': 'e' });
    expect((await read(decomposed)).key).toBe((await read(composed)).key);
  });
});

describe('the key changes', () => {
  test.each<[string, (dir: string) => Promise<unknown>]>([
    ['content', (dir) => fs.writeFile(join(dir, 'src/lib/a.ts'), 'b')],
    ['execute bit', (dir) => fs.chmod(join(dir, 'src/lib/a.ts'), 0o744)],
    ['setuid bit', (dir) => fs.chmod(join(dir, 'src/lib/a.ts'), 0o4644)],
    ['setgid bit', (dir) => fs.chmod(join(dir, 'src/lib/a.ts'), 0o2644)],
    ['sticky bit', (dir) => fs.chmod(join(dir, 'src/lib/a.ts'), 0o1644)],
    ['name', (dir) => fs.rename(join(dir, 'src/lib/a.ts'), join(dir, 'src/lib/b.ts'))],
    ['new file', (dir) => fs.writeFile(join(dir, 'src/lib/.hidden'), '')],
    ['empty directory', (dir) => fs.mkdir(join(dir, 'src/empty'))],
    [
      'link target',
      async (dir) => {
        await fs.rm(join(dir, 'src/link'));
        await fs.symlink('lib/a.ts', join(dir, 'src/link'));
      },
    ],
    ['byte of the Dockerfile', (dir) => fs.appendFile(join(dir, 'Dockerfile'), '\n')],
  ])('with one other %s', async (_what, change) => {
    const dir = await sampleContext();
    const { key } = await read(dir);
    await change(dir);
    expect((await read(dir)).key).not.toBe(key);
  });

  test('with build args, target and platform', async () => {
    const dir = await sampleContext({ Dockerfile: `FROM scratch AS x\n${DOCKERFILE}` });
    const all = [
      await read(dir),
      await read(dir, { buildArgs: ['A=2'] }),
      await read(dir, { buildArgs: ['A=2', 'B='] }),
      await read(dir, { target: '1' }),
      await read(dir, { platform: 'linux/arm64' }),
    ];
    expect(new Set(all.map(({ key }) => key)).size).toBe(all.length);
  });
});

describe('build args', () => {
  test('the last value of a name counts, and their order does not', async () => {
    const dir = await sampleContext();
    const { key } = await read(dir, { buildArgs: ['A=1', 'B=2'] });
    expect((await read(dir, { buildArgs: ['B=1', 'B=2', 'A=1'] })).key).toBe(key);
  });

  test('without a value they come from the environment, or are left out', async () => {
    const dir = await sampleContext();
    onTestFinished(() => void vi.unstubAllEnvs());
    vi.stubEnv('A', '2');
    expect((await read(dir, { buildArgs: ['A'] })).key).toBe((await read(dir, { buildArgs: ['A=2'] })).key);
    vi.stubEnv('A', undefined);
    expect((await read(dir, { buildArgs: ['A'] })).key).toBe((await read(dir)).key);
  });
});

describe('entries', () => {
  test('are what the Dockerfile can see', async () => {
    const dir = await sampleContext();
    const { entries, narrowed, reasons } = await read(dir);
    expect({ narrowed, reasons }).toEqual({ narrowed: true, reasons: [] });
    expect(entries.map(({ path, type }) => `${type} ${path}`)).toEqual([
      'file package.json',
      'directory src',
      'directory src/lib',
      'file src/lib/a.ts',
      'symlink src/link',
      'file src/main.ts',
    ]);
    expect(entries[0]).toEqual({
      type: 'file',
      path: 'package.json',
      executable: false,
      sha256: '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
    });
  });

  test('are the whole context when a variable has no value, and the reason is told', async () => {
    const dir = await sampleContext({
      Dockerfile: 'FROM scratch\nARG SRC\nCOPY $SRC /\n',
      '.dockerignore': 'src',
    });
    const { entries, narrowed, reasons } = await read(dir);
    expect(narrowed).toBe(false);
    expect(reasons).toEqual(['COPY $SRC /: the variable SRC has no value']);
    expect(entries.map(({ path }) => path)).toEqual([
      '.dockerignore',
      'Dockerfile',
      'README.md',
      'package.json',
    ]);
  });

  test.each(['src/link', 'srclink/main.ts', 'src*/main.ts', '*'])(
    'are the whole context when %s leads through a symlink',
    async (source) => {
      const dir = await sampleContext({ Dockerfile: `FROM scratch\nCOPY ${source} /\n` });
      await fs.symlink('src', join(dir, 'srclink'));
      const { entries, narrowed, reasons } = await read(dir);
      expect(narrowed).toBe(false);
      expect(reasons.join('\n')).toMatch(/^COPY .*: src.*link is a symlink$/);
      expect(entries.map(({ path }) => path)).toContain('README.md');
    },
  );

  test.each(['COPY dir/link/file /y', 'RUN --mount=type=bind,source=dir/link,target=/y true'])(
    'are the whole context when %s leads through a symlink in what another source covers',
    async (line) => {
      const dir = await sampleContext({
        Dockerfile: `FROM scratch\nCOPY dir /x\n${line}\n`,
        'dir/a': '',
        'other/file': '1',
      });
      await fs.symlink('../other', join(dir, 'dir/link'));
      const { key, reasons } = await read(dir);
      expect(reasons).toEqual([`${line}: dir/link is a symlink`]);
      await fs.writeFile(join(dir, 'other/file'), '2');
      expect((await read(dir)).key).not.toBe(key);
    },
  );

  test('of a pattern are what is in matching directories', async () => {
    const dir = await sampleContext({ Dockerfile: 'FROM scratch\nCOPY *rc/l?b [p]*.json **.md /\n' });
    expect(await pathsOf(dir)).toEqual(['README.md', 'package.json', 'src/lib', 'src/lib/a.ts']);
  });

  test('leave out ignored files, except those that an exception brings back', async () => {
    const dir = await sampleContext({
      Dockerfile: 'FROM scratch\nCOPY . /\n',
      '.dockerignore': '*\n!src/lib\nsrc/lib/b*\n',
      'src/lib/b.ts': '',
    });
    expect(await pathsOf(dir)).toEqual(['src', 'src/lib', 'src/lib/a.ts']);
  });

  test('of the Dockerfile and .dockerignore are there only when not ignored', async () => {
    const dir = await sampleContext({ Dockerfile: 'FROM scratch\nCOPY . /\n', '.dockerignore': 'src\n' });
    expect(await pathsOf(dir)).toEqual(['.dockerignore', 'Dockerfile', 'README.md', 'package.json']);
    await fs.writeFile(join(dir, '.dockerignore'), 'src\nDockerfile\n.dockerignore\n');
    expect(await pathsOf(dir)).toEqual(['README.md', 'package.json']);
  });

  test('are ignored by the file that is named after the Dockerfile, wherever that is', async () => {
    const dir = await sampleContext({ '.dockerignore': 'README.md\n' });
    const other = await write(await tempDir(), {
      'agent.Dockerfile': 'FROM scratch\nCOPY . /\n',
      'agent.Dockerfile.dockerignore': 'src\nDockerfile\n.dockerignore\n',
    });
    expect(await pathsOf(dir, { file: join(other, 'agent.Dockerfile') })).toEqual([
      'README.md',
      'package.json',
    ]);
  });

  test('leave out sockets and FIFOs, and nothing waits for them', async () => {
    const dir = await sampleContext();
    execFileSync('mkfifo', [join(dir, 'src/fifo')]);
    expect(await pathsOf(dir)).not.toContain('src/fifo');
  });

  test('of a large file are read in little memory', async () => {
    const dir = await sampleContext();
    await fs.truncate(join(dir, 'src/main.ts'), 300e6);
    const before = process.memoryUsage().rss;
    await read(dir);
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
  });
});

test('a Dockerfile and a .dockerignore can link to files in the context, and the context be a link', async () => {
  const dir = await sampleContext({ 'docker/Dockerfile': DOCKERFILE, 'docker/ignore': 'src/lib\n' });
  await fs.rm(join(dir, 'Dockerfile'));
  await fs.symlink('docker/Dockerfile', join(dir, 'Dockerfile'));
  await fs.symlink('docker/ignore', join(dir, '.dockerignore'));
  const link = join(await tempDir(), 'link');
  await fs.symlink(dir, link);
  expect(await pathsOf(link)).toEqual(['package.json', 'src', 'src/link', 'src/main.ts']);
});

describe('fails', () => {
  test('without a context', async () => {
    const error = await failureOf(read(join(await tempDir(), 'nowhere')));
    expect(error).toMatchObject({ code: 'not-found', message: expect.stringContaining('nowhere') });
  });

  test('without a Dockerfile', async () => {
    const error = await failureOf(read(await tempDir()));
    expect(error).toMatchObject({
      code: 'not-found',
      hint: 'run this in the repository of your agent, or name the Dockerfile with --file (input: file)',
    });
  });

  test('on a name that is not UTF-8, with its directory and what to do', async () => {
    const dir = await sampleContext();
    await fs.writeFile(Buffer.from(`${dir}/src/lib/\xff`, 'latin1'), '');
    expect(await failureOf(read(dir))).toMatchObject({
      code: 'io',
      message: 'the directory src/lib holds a name that is not UTF-8: \uFFFD',
      hint: 'rename it, or list src/lib in .dockerignore',
    });
    await fs.writeFile(join(dir, '.dockerignore'), 'src/lib\n');
    expect((await read(dir)).narrowed).toBe(true);
  });

  test('on a name that is not UTF-8 at the top of the context', async () => {
    const dir = await sampleContext({ Dockerfile: 'FROM scratch\nCOPY . /\n' });
    await fs.writeFile(Buffer.from(`${dir}/\xff`, 'latin1'), '');
    expect(await failureOf(read(dir))).toMatchObject({
      message: expect.stringContaining('the build context holds'),
      hint: 'rename it',
    });
  });

  test('on a directory for a Dockerfile, with its path', async () => {
    const dir = await sampleContext();
    const error = await failureOf(read(dir, { file: join(dir, 'src') }));
    expect(error).toMatchObject({
      code: 'usage',
      message: `${join(dir, 'src')} is not a regular file of at most 1048576 bytes`,
    });
  });

  test.each(['Dockerfile', 'Dockerfile.dockerignore', '.dockerignore'])(
    'on a %s that is a FIFO, and does not wait for it',
    async (name) => {
      const dir = await sampleContext();
      await fs.rm(join(dir, name), { force: true });
      execFileSync('mkfifo', [join(dir, name)]);
      const error = await failureOf(read(dir));
      expect(error).toMatchObject({
        code: 'usage',
        message: `${join(dir, name)} is not a regular file of at most 1048576 bytes`,
      });
    },
  );

  test('on a FIFO that is named for a Dockerfile', async () => {
    const dir = await sampleContext();
    execFileSync('mkfifo', [join(dir, 'fifo')]);
    expect(await failureOf(read(dir, { file: join(dir, 'fifo') }))).toMatchObject({ code: 'usage' });
  });

  test.each(['Dockerfile', 'Dockerfile.dockerignore', '.dockerignore'])(
    'on a %s that links to a file outside, whose content it does not tell',
    async (name) => {
      const outside = await write(await tempDir(), { secret: '[hunter2' });
      const dir = await sampleContext();
      await fs.rm(join(dir, name), { force: true });
      await fs.symlink(join(outside, 'secret'), join(dir, name));
      const error = await failureOf(read(dir));
      expect(error).toMatchObject({ code: 'usage', message: expect.stringContaining(join(dir, name)) });
      expect(JSON.stringify(error)).not.toContain('hunter2');
    },
  );

  test('on a context that is a link, when the Dockerfile in it leads out', async () => {
    const parent = await write(await tempDir(), { 'context/a': '', 'context-2/Dockerfile': DOCKERFILE });
    await fs.symlink('context', join(parent, 'link'));
    await fs.symlink('../context-2/Dockerfile', join(parent, 'context/Dockerfile'));
    expect(await failureOf(read(join(parent, 'link')))).toMatchObject({ code: 'usage' });
  });

  test('when it is stopped', async () => {
    const reason = new Error('stop');
    const dir = await sampleContext();
    await expect(read(dir, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
