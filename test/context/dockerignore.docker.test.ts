// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how Dockerfiles name variables
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readBuildInputs } from '../../src/context/build-inputs.ts';
import { run } from '../helpers/small-image.ts';
import { listTar } from '../helpers/tar-listing.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const FILES = `
.git/HEAD .gitignore README.md CHANGELOG.md a+(b)c a^b.txt Makefile
docs/README.md docs/deep/guide.md docs/deep/empty.txt
foo/bar/keep foo/bar/other foo/keep foo/foo/x xfoo/a
node_modules/left/index.js node_modules/left/README.md
src/main.ts src/main.test.ts src/lib/a.ts src/lib/a.test.ts src/lib/foo/b.ts
`
  .trim()
  .split(/\s+/);

type Builder = 'BuildKit' | 'legacy';

/** Every file has content of its own, so that it can be told by its digest wherever a COPY puts it. */
async function makeContext(dockerfile: string, dockerignore: string): Promise<string> {
  const dir = await tempDir();
  for (const path of FILES) {
    await fs.mkdir(dirname(join(dir, path)), { recursive: true });
    await fs.writeFile(join(dir, path), `content of ${path}\n`);
  }
  await fs.mkdir(join(dir, 'docs/empty'));
  await fs.mkdir(join(dir, 'empty'));
  await fs.symlink('../src/main.ts', join(dir, 'src/lib/link'));
  await fs.symlink('nowhere', join(dir, 'docs/dangling'));
  await fs.chmod(join(dir, 'Makefile'), 0o755);
  await fs.writeFile(join(dir, 'Dockerfile'), dockerfile);
  await fs.writeFile(join(dir, '.dockerignore'), dockerignore);
  return dir;
}

/** The first on PATH, or Debian's, which has BuildKit built in: without buildx docker has only the legacy builder. */
const DOCKERS = ['docker', '/usr/bin/docker'];

function builderEnv(builder: Builder): NodeJS.ProcessEnv {
  return { ...process.env, DOCKER_BUILDKIT: builder === 'BuildKit' ? '1' : '0' };
}

/** Builds with the engine, and lists what the image then holds. */
async function build(context: string, builder: Builder) {
  const docker = builder === 'BuildKit' ? (buildKitDocker ?? 'docker') : 'docker';
  const { stdout } = await run(docker, ['build', '--quiet', context], { env: builderEnv(builder) });
  const image = stdout.trim();
  const container = (await run('docker', ['create', image, 'none'])).stdout.trim();
  onTestFinished(async () => {
    await run('docker', ['rm', '--force', container]);
    await run('docker', ['image', 'rm', '--force', image]);
  });
  const tar = join(await tempDir(), 'image.tar');
  await run('docker', ['export', '--output', tar, container]);
  return await listTar(tar);
}

async function hasBuildKit(docker: string): Promise<boolean> {
  const dir = await fs.mkdtemp(join(tmpdir(), 'claude-bottle-test-'));
  try {
    await fs.writeFile(join(dir, 'Dockerfile'), 'FROM scratch\nLABEL a=b\n');
    await run(docker, ['build', '--quiet', dir], { env: builderEnv('BuildKit') });
    return true;
  } catch {
    return false;
  } finally {
    await fs.rm(dir, { recursive: true });
  }
}

async function findBuildKitDocker(): Promise<string | undefined> {
  for (const docker of DOCKERS) {
    if (await hasBuildKit(docker)) {
      return docker;
    }
  }
  if (process.env.REQUIRE_DOCKER_TESTS) {
    throw new Error(`none of these can build with BuildKit: ${DOCKERS.join(', ')}`);
  }
  return undefined;
}

const buildKitDocker = await findBuildKitDocker();

/**
 * Patterns on which engines agree. Before 23.0 they open an ignored directory for fewer exceptions, see only some
 * of the directories around a file, take `+` and `(` for regular expressions, and send an empty directory where an exception could have been.
 */
describe.each<Builder>(['BuildKit', 'legacy'])('the %s builder sends what we keep', (builder) => {
  test
    .skipIf(builder === 'BuildKit' && buildKitDocker === undefined)
    .each([
      '',
      'foo',
      '/foo/\n./docs\n',
      '*.md',
      '**/*.md\n!README.md',
      '*.md\n!docs/README.md\n',
      '**/foo',
      'foo\n!foo/bar/keep',
      'foo/**',
      'foo\n!foo/bar',
      'foo\n!foo/bar/k*\n',
      'foo/bar\n!foo/bar/k*\nfoo/bar/*p\n!foo/bar/other\n',
      '*\n!src\n!docs/deep',
      '*\n!src\nsrc/**/*.test.ts\n',
      '*\n!docs/README.*',
      '**\n!src/lib/a.ts\n',
      'src/**/foo',
      'src/*/foo\n  docs/??ep \n# Makefile\n',
      'Dockerfile\n.dockerignore\n.git*\n',
      '[a-m]*s\n[^a-z]*\n!Makefile',
      'READM[E].md',
      '../foo\ndocs/../foo/../xfoo\n',
      '!Makefile\n! \tREADME.md\n*.md\nMakefile\n',
      'node_modules\n!node_modules/left/README.md\n',
      'docs/*\n',
      '.\n/\n',
    ])('with %j', async (dockerignore) => {
    const context = await makeContext('FROM scratch\nCOPY . /context/\n', dockerignore);
    const {
      entries,
      record: { narrowed },
    } = await readBuildInputs({ context, buildArgs: [], platform: 'linux/amd64' });
    const image = await build(context, builder);
    const sent = [...image].flatMap(([path, { type }]) =>
      path.startsWith('context/') ? `${type} ${path.slice('context/'.length)}` : [],
    );
    expect(narrowed).toBe(true);
    expect(entries.map(({ type, path }) => `${type} ${path}`).sort()).toEqual(sent.sort());
  });
});

describe('what BuildKit copies is what we take for visible', () => {
  test
    .skipIf(buildKitDocker === undefined)
    .each([
      'COPY src/*.ts /x/',
      'COPY *.md foo /x/',
      'COPY */README.md /x/',
      'COPY [a-d]* Makefile /x/',
      'COPY ["src/./lib/../main.ts", "/foo/", "/x/"]',
      'COPY s?c/l*b/f*o /x/',
      'COPY src**/l**b/a* /x/',
      'COPY ../../Makefile /x/',
      'COPY arr[[]0].txt* Makefile /x/',
      'ARG DIR=foo\nENV SUB=bar\nCOPY ${DIR:-src}/$SUB "Makefile" /x/',
      'ADD Makefile src/lib /x/',
    ])('%s', async (lines) => {
    const context = await makeContext(`FROM scratch AS base\n${lines}\n`, 'docs/deep\n**/*.test.ts\n');
    const { entries, reasons } = await readBuildInputs({ context, buildArgs: [], platform: 'linux/amd64' });
    expect(reasons).toEqual([]);
    const copied = [...(await build(context, 'BuildKit'))].filter(
      ([path, { type }]) => path.startsWith('x/') && type === 'file',
    );
    const seen = entries.flatMap((entry) => (entry.type === 'file' ? entry.sha256 : []));
    expect(seen.sort()).toEqual(copied.map(([, { sha256 }]) => sha256).sort());
  });
});
