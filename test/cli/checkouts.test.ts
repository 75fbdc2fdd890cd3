import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Checkout, publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { type CliResult, runCli } from '../helpers/cli.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const POINTER = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 12345\n`;

/** A checkout that copies all of itself, and the record of what CI has packed from it. */
async function published(change?: (checkout: Checkout) => Promise<unknown>) {
  const checkout = await sampleCheckout('FROM scratch\nCOPY . /\n');
  await fs.writeFile(join(checkout.dir, '.dockerignore'), '.git\n');
  await change?.(checkout);
  await checkout.commit();
  const { path } = await publishFile(checkout);
  const home = await tempDir();
  const env = { HOME: home, HTTPS_PROXY: 'http://127.0.0.1:9', GH_TOKEN: '', GITHUB_TOKEN: '' };
  const clone = join(await tempDir(), 'clone');
  return {
    checkout,
    clone,
    record: `${path}.json`,
    cloned: async (...options: string[]) => {
      await checkout.git('clone', '--quiet', ...options, checkout.dir, clone);
      await checkout.git('-C', clone, 'remote', 'set-url', 'origin', 'git@github.com:acme/tools.git');
    },
    inClone: (...args: string[]) => checkout.git('-C', clone, ...args),
    fetch: () =>
      runCli(
        [
          'fetch',
          ...['--context', clone, '--platform', 'linux/amd64', '--no-bind', '--from', `file:${path}`],
        ],
        env,
      ),
    differences: async (...args: string[]) => {
      const options = ['--context', clone, '--platform', 'linux/amd64', '--against', `${path}.json`];
      const { exitCode, stdout, stderr } = await runCli(['key', ...options, '--json', ...args], env);
      expect(exitCode, stderr).toBe(0);
      return JSON.parse(stdout)
        .differences.map((line: string) => `- ${line}`)
        .join('\n');
    },
    key: (...args: string[]) =>
      runCli(['key', '--context', clone, '--platform', 'linux/amd64', ...args], env),
  };
}

test('a clone of the same commit has the same key, whatever its umask and place', async () => {
  const { cloned, differences, fetch, key } = await published();
  const umask = process.umask(0o077);
  await cloned().finally(() => process.umask(umask));
  expect(await differences()).toBe('');
  const { exitCode, stderr } = await fetch();
  expect(exitCode, stderr).toBe(0);
  expect((await key()).stderr).toBe('');
});

describe('a miss names the file and its cause', () => {
  test('line endings of core.autocrlf', async () => {
    const { cloned, differences } = await published();
    await cloned('--config', 'core.autocrlf=true');
    const result = await differences();
    expect(result).toMatch(
      /- agent\.txt has other line endings than in the commit \(core\.autocrlf=true\): git config/,
    );
    expect(result).toMatch(/- Dockerfile has other line endings/);
  });

  test('line endings that .gitattributes asks for are not a difference', async () => {
    const { cloned, differences, clone } = await published(async ({ dir, git }) => {
      await fs.writeFile(join(dir, '.gitattributes'), 'agent.txt text eol=crlf\n');
      await git('rm', '--quiet', '--cached', 'agent.txt');
      await fs.writeFile(join(dir, 'agent.txt'), 'agent\r\n');
    });
    await cloned();
    await fs.writeFile(join(clone, 'README.md'), 'changed\n');
    const result = await differences();
    expect(result).toMatch(/- README\.md has changed/);
    expect(result).not.toContain('agent.txt');
  });

  test('a pointer of Git LFS, of which key warns already', async () => {
    const { cloned, differences, key, clone } = await published(async ({ dir }) => {
      await fs.writeFile(join(dir, '.gitattributes'), '*.bin filter=lfs diff=lfs merge=lfs -text\n');
      await fs.writeFile(join(dir, 'model.bin'), POINTER);
    });
    await cloned();
    expect((await key()).stderr).toMatch(
      /only in this clone: model\.bin is a pointer of Git LFS.*git lfs pull/,
    );
    await fs.writeFile(join(clone, 'README.md'), 'changed\n');
    expect(await differences()).toMatch(
      /- model\.bin is a pointer of Git LFS, and not the file itself: git lfs pull/,
    );
  });

  test('files of a sparse checkout', async () => {
    const { cloned, differences, inClone, key } = await published(async ({ dir }) => {
      await fs.mkdir(join(dir, 'big'));
      await fs.writeFile(join(dir, 'big/data'), 'data');
    });
    await cloned('--sparse');
    expect(await differences()).toMatch(/- big\/data is left out by the sparse checkout/);
    expect((await key()).stderr).toMatch(/only in this clone: big\/data is left out/);
    await inClone('sparse-checkout', 'disable');
    expect(await differences()).toBe('');
  });

  test('a mode bit that core.fileMode=false hides', async () => {
    const { cloned, differences, clone, inClone } = await published();
    await cloned();
    await inClone('config', 'core.fileMode', 'false');
    await fs.chmod(join(clone, 'agent.txt'), 0o755);
    expect(await differences()).toMatch(
      /- agent\.txt has another execute bit .*core\.fileMode=false\): chmod -x agent\.txt/,
    );
  });

  test.each(['--assume-unchanged', '--skip-worktree'])('what %s hides', async (flag) => {
    const { cloned, differences, clone, inClone } = await published();
    await cloned();
    await inClone('update-index', flag, 'agent.txt');
    await fs.writeFile(join(clone, 'agent.txt'), 'changed\n');
    expect(await differences()).toMatch(
      /- agent\.txt has changed, and git was told not to look .*: git update-index/,
    );
  });

  test('ignored, untracked and empty names, each once, of which key warns already', async () => {
    const { cloned, differences, clone, key } = await published(async ({ dir }) => {
      await fs.writeFile(join(dir, '.gitignore'), '.env\nnode_modules\n.DS_Store\n');
    });
    await cloned();
    await fs.mkdir(join(clone, 'node_modules/left'), { recursive: true });
    await fs.writeFile(join(clone, 'node_modules/left/index.js'), '');
    await fs.writeFile(join(clone, 'node_modules/left/package.json'), '');
    await fs.writeFile(join(clone, '.env'), 'TOKEN=x');
    await fs.writeFile(join(clone, '.DS_Store'), '');
    await fs.writeFile(join(clone, 'notes [1].txt'), '');
    await fs.mkdir(join(clone, 'tmp'));
    const lines = [
      '.env is ignored by git (.gitignore), and part of the build: add .env to .dockerignore',
      '.DS_Store is ignored by git',
      'node_modules (2 files) is ignored by git (.gitignore), and part of the build: add node_modules to .dockerignore',
      String.raw`notes [1].txt is not tracked by git, and part of the build: commit it, or add notes \[1].txt to .dockerignore`,
      'tmp is an empty directory, which git cannot hold',
    ];
    const { stderr } = await key();
    const miss = await differences();
    for (const line of lines) {
      expect(stderr).toContain(`only in this clone: ${line}`);
      expect(miss).toContain(`- ${line}`);
    }
  });

  test('.git in the build context', async () => {
    const { cloned, differences, key } = await published(({ dir }) =>
      fs.writeFile(join(dir, '.dockerignore'), '# none\n'),
    );
    await cloned();
    expect((await key()).stderr).toMatch(/only in this clone: \.git .* add \.git to \.dockerignore/);
    expect(await differences()).toMatch(
      /- \.git \(\d+ files\) is part of the build, and different in every clone/,
    );
  });

  test('deleted files, files of a later commit, and new ones that are not committed', async () => {
    const { cloned, differences, clone, inClone } = await published();
    await cloned();
    await fs.writeFile(join(clone, 'later.txt'), 'later');
    await inClone('add', 'later.txt');
    await inClone('commit', '--quiet', '--message', 'later');
    await fs.writeFile(join(clone, 'new.txt'), 'new');
    await inClone('add', 'new.txt');
    await fs.rm(join(clone, 'agent.txt'));
    const result = await differences();
    expect(result).toMatch(/- agent\.txt is deleted here: git checkout -- agent\.txt/);
    expect(result).toMatch(/- later\.txt has changed in a later commit/);
    expect(result).toMatch(/- new\.txt is new and not committed/);
  });

  test('a symbolic link that was checked out as a file', async () => {
    const { cloned, differences } = await published(({ dir }) => fs.symlink('agent.txt', join(dir, 'link')));
    await cloned('--config', 'core.symlinks=false');
    expect(await differences()).toMatch(/- link is a file here, and a symbolic link in the commit/);
  });

  test('a submodule that is not there, and a file in one that is', async () => {
    const inner = await sampleCheckout();
    const { cloned, differences, clone, inClone } = await published(async ({ git }) => {
      await git('-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', inner.dir, 'sub');
    });
    await cloned();
    expect(await differences()).toMatch(
      /- sub is a submodule that is not checked out .*: git submodule update --init -- sub/,
    );
    await inClone('-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'update', '--init');
    await fs.writeFile(join(clone, 'sub/agent.txt'), 'changed\n');
    await fs.writeFile(join(clone, 'sub/mine.txt'), '');
    const result = await differences();
    expect(result).toMatch(/- sub\/agent\.txt has changed/);
    expect(result).toMatch(/- sub\/mine\.txt is not tracked/);
  });

  test('a .dockerignore that decides otherwise', async () => {
    const { cloned, differences, clone } = await published(({ dir }) =>
      fs.writeFile(join(dir, '.dockerignore'), '.git\n.dockerignore\n'),
    );
    await cloned();
    await fs.appendFile(join(clone, '.dockerignore'), 'README.md\n');
    expect(await differences()).toMatch(/- \.dockerignore has changed and is not committed/);
  });

  test('nothing of the commit: then the build there had other files', async () => {
    const { checkout, cloned, differences, record } = await published();
    await cloned();
    await fs.writeFile(join(checkout.dir, 'made-by-a-step.txt'), '');
    const inputs = await checkout.inputs();
    await fs.writeFile(record, JSON.stringify({ ...JSON.parse(await fs.readFile(record, 'utf8')), inputs }));
    expect(await differences()).toMatch(/those of the commit, and the build of the sidecar had others/);
  });

  test('files that an archive of the repository lacks', async () => {
    const { checkout, cloned, differences, record } = await published(async ({ dir }) => {
      await fs.writeFile(join(dir, '.gitattributes'), 'docs export-ignore\n');
      await fs.mkdir(join(dir, 'docs'));
      await fs.writeFile(join(dir, 'docs/a.md'), '');
    });
    await cloned();
    await fs.rm(join(checkout.dir, 'docs'), { recursive: true });
    const inputs = await checkout.inputs();
    await fs.writeFile(record, JSON.stringify({ ...JSON.parse(await fs.readFile(record, 'utf8')), inputs }));
    expect(await differences()).toMatch(
      /^- docs\/a\.md and all that .* export-ignore was not there: install git/,
    );
  });

  test('the content of Git LFS, where the build had pointers', async () => {
    const { checkout, cloned, clone, differences, record } = await published(async ({ dir }) => {
      await fs.writeFile(join(dir, '.gitattributes'), '*.bin filter=lfs\n');
      const sha256 = createHash('sha256').update('content\n').digest('hex');
      const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize 8\n`;
      await fs.writeFile(join(dir, 'model.bin'), pointer);
    });
    await cloned();
    await fs.writeFile(join(clone, 'model.bin'), 'content\n');
    expect(await checkout.inputs()).toMatchObject(JSON.parse(await fs.readFile(record, 'utf8')).inputs);
    expect(await differences()).toMatch(
      /^- model\.bin and all that Git LFS keeps were pointers where it was packed: set lfs: true/,
    );
  });

  test('the target, the build arguments and the platform', async () => {
    const { cloned, differences } = await published();
    await cloned();
    expect(await differences('--build-arg', 'A=1')).toMatch(
      /- the build arguments are set here, and not set where it was packed/,
    );
    expect(await differences('--target', 'x')).toMatch(
      /- the target is x here, and not set where it was packed/,
    );
  });
});

describe('a git that cannot answer is told from a checkout without a remote', () => {
  async function fetchIn(dir: string, env: NodeJS.ProcessEnv = {}): Promise<CliResult> {
    const home = await tempDir();
    return await runCli(['fetch', '--context', dir, '--no-bind', '--dry-run'], {
      HOME: home,
      HTTPS_PROXY: 'http://127.0.0.1:9',
      ...env,
    });
  }

  test.runIf(process.getuid?.() === 0)('a checkout of another user', async () => {
    const { dir } = await sampleCheckout();
    await fs.chown(dir, 12345, 12345);
    await fs.chown(join(dir, '.git'), 12345, 12345);
    const { exitCode, stderr } = await fetchIn(dir);
    expect(exitCode, stderr).toBe(78);
    expect(stderr).toContain('detected dubious ownership');
    expect(stderr).toContain(
      `try: git config --global --add safe.directory ${dir}  # if you trust its owner`,
    );
    expect((await fetchIn(dir, { SUDO_UID: '12345' })).exitCode).not.toBe(78);
  });

  test('no git on PATH', async () => {
    const { dir } = await sampleCheckout();
    const { exitCode, stderr } = await fetchIn(dir, { PATH: dirname(process.execPath) });
    expect(exitCode, stderr).toBe(78);
    expect(stderr).toMatch(/the git command is not on PATH\n {2}try: install git/);
  });

  test('a .git file that leads nowhere, and settings that are broken', async () => {
    for (const text of ['gitdir: /nowhere\n', undefined]) {
      const { dir } = await sampleCheckout();
      if (text === undefined) {
        await fs.appendFile(join(dir, '.git/config'), '[x\n');
      } else {
        await fs.rm(join(dir, '.git'), { recursive: true });
        await fs.writeFile(join(dir, '.git'), text);
      }
      const { exitCode, stderr } = await fetchIn(dir);
      expect(exitCode, stderr).toBe(78);
      expect(stderr).toMatch(
        /git refuses the checkout .*: (not a git repository: \/nowhere|bad config line \d+)/,
      );
    }
  });

  test('no remote, and no checkout', async () => {
    const { dir, git } = await sampleCheckout();
    await git('remote', 'remove', 'origin');
    expect(await fetchIn(dir)).toMatchObject({
      exitCode: 66,
      stderr: expect.stringMatching(
        /error: this checkout has no remote\n[\s\S]*try: claude-bottle fetch --repo OWNER\/NAME/,
      ),
    });
    await fs.rm(join(dir, '.git'), { recursive: true });
    expect(await fetchIn(dir)).toMatchObject({
      exitCode: 66,
      stderr: expect.stringMatching(
        /error: this is not a git checkout\n[\s\S]*try: claude-bottle fetch --repo OWNER\/NAME/,
      ),
    });
  });

  test('what a hook exports is of another repository', async () => {
    const { cloned, fetch } = await published();
    await cloned();
    const other = await sampleCheckout();
    await other.git('remote', 'set-url', 'origin', 'git@github.com:evil/other.git');
    const exported = {
      GIT_DIR: join(other.dir, '.git'),
      GIT_INDEX_FILE: join(other.dir, '.git/index'),
      GIT_WORK_TREE: other.dir,
      GIT_OBJECT_DIRECTORY: join(other.dir, '.git/objects'),
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'url.https://github.com/evil/.insteadOf',
      GIT_CONFIG_VALUE_0: 'git@github.com:acme/',
      GIT_CONFIG_PARAMETERS: "'core.worktree=/tmp'",
      GIT_PREFIX: 'x/',
      GIT_NAMESPACE: 'evil',
    };
    Object.assign(process.env, exported);
    try {
      const { exitCode, stderr } = await fetch();
      expect(exitCode, stderr).toBe(0);
    } finally {
      for (const name of Object.keys(exported)) {
        delete process.env[name];
      }
    }
  });
});

test('a program called git in the checkout is not taken for git', async () => {
  const { dir } = await sampleCheckout();
  const mark = join(await tempDir(), 'ran');
  await fs.mkdir(join(dir, 'bin'));
  await fs.writeFile(join(dir, 'bin/git'), `#!/bin/sh\n: > ${mark}\n`, { mode: 0o755 });
  const path = ['bin', '.', '', process.env.PATH].join(delimiter);
  await runCli(['key', '--context', dir], { PATH: path });
  await expect(fs.stat(mark)).rejects.toThrow(/ENOENT/);
});
