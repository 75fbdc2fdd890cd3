import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Checkout, sampleCheckout } from '../helpers/checkout.ts';
import { runCli } from '../helpers/cli.ts';
import { tempDir } from '../helpers/temp-dir.ts';

interface Project {
  readonly dockerfile: string;
  /** Tracked. */
  readonly files: Readonly<Record<string, string>>;
  /** What a developer has beside them, and git does not. */
  readonly local: Readonly<Record<string, string>>;
  /** A change that belongs into the image. */
  readonly change: string;
}

const MODEL = 'weights '.repeat(2_000);

const PROJECTS: Readonly<Record<string, Project>> = {
  'a Node app whose node_modules is ignored': {
    dockerfile:
      'FROM node:24-slim\nWORKDIR /app\nCOPY package*.json ./\nRUN npm ci\nCOPY . .\nCMD ["node", "src/index.js"]\n',
    files: {
      '.gitignore': 'node_modules/\n.env*\ncoverage/\n',
      '.dockerignore': 'node_modules\n.git\n.env*\n**/*.test.js\ncoverage\n',
      'package.json': '{"name": "app"}\n',
      'package-lock.json': '{"lockfileVersion": 3}\n',
      'src/index.js': 'console.log("agent");\n',
      'src/index.test.js': 'test();\n',
    },
    local: {
      'node_modules/left-pad/index.js': 'module.exports = 1;\n',
      '.env': 'TOKEN=secret\n',
      'coverage/lcov.info': 'TN:\n',
    },
    change: 'src/index.js',
  },
  'a Go module with vendor': {
    dockerfile:
      'FROM golang:1.25 AS build\nWORKDIR /src\nCOPY go.mod go.sum ./\nCOPY vendor ./vendor\nCOPY cmd ./cmd\nRUN go build -mod=vendor -o /agent ./cmd/agent\nFROM scratch\nCOPY --from=build /agent /agent\n',
    files: {
      '.gitignore': '/bin/\n*.out\n',
      'go.mod': 'module example.org/agent\n',
      'go.sum': '',
      'vendor/modules.txt': '# example.org/dep v1.0.0\n',
      'vendor/example.org/dep/dep.go': 'package dep\n',
      'cmd/agent/main.go': 'package main\n\nfunc main() {}\n',
      'docs/readme.md': 'not in the image\n',
    },
    local: { 'bin/agent': 'binary', 'docs/draft.md': 'mine\n', 'cover.out': 'mode: set\n' },
    change: 'vendor/example.org/dep/dep.go',
  },
  'a Python project with data in Git LFS': {
    dockerfile:
      'FROM python:3.13-slim\nCOPY pyproject.toml /app/\nCOPY src /app/src\nCOPY models/*.bin /app/models/\nRUN pip install /app\n',
    files: {
      '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n* text=auto\n',
      '.gitignore': '__pycache__/\n.venv/\n',
      '.dockerignore': '**/__pycache__\n.venv\n',
      'pyproject.toml': '[project]\nname = "agent"\n',
      'src/agent/__init__.py': '',
      'src/agent/main.py': 'print("agent")\n',
      'models/small.bin': MODEL,
    },
    local: { '.venv/bin/python': '', 'src/agent/__pycache__/main.pyc': 'x' },
    change: 'src/agent/main.py',
  },
};

async function write(dir: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await fs.mkdir(dirname(join(dir, path)), { recursive: true });
    await fs.writeFile(join(dir, path), text);
  }
}

/** What git lfs does to a file that is committed and checked out, without its server. */
async function lfsTools(): Promise<{ store: string; settings: string[] }> {
  const store = await tempDir();
  const clean = join(store, 'clean');
  const smudge = join(store, 'smudge');
  const start = 'version https://git-lfs.github.com/spec/v1';
  await fs.writeFile(
    clean,
    `#!/bin/sh\ncat > ${store}/new\nsum=$(sha256sum < ${store}/new | cut -c1-64)\nsize=$(stat -c %s ${store}/new)\nmv ${store}/new ${store}/$sum\nprintf '${start}\\noid sha256:%s\\nsize %s\\n' $sum $size\n`,
    { mode: 0o755 },
  );
  await fs.writeFile(smudge, `#!/bin/sh\nexec cat ${store}/$(sed -n 's/^oid sha256://p')\n`, { mode: 0o755 });
  return { store, settings: [`filter.lfs.clean=${clean}`, `filter.lfs.smudge=${smudge}`] };
}

async function commitProject(project: Project): Promise<{ origin: Checkout; settings: string[] }> {
  const { settings } = await lfsTools();
  const origin = await sampleCheckout(project.dockerfile);
  for (const setting of settings) {
    const [name = '', value = ''] = setting.split('=');
    await origin.git('config', name, value);
  }
  await write(origin.dir, project.files);
  await origin.commit();
  return { origin, settings };
}

async function clone(origin: Checkout, umask: number, settings: readonly string[]): Promise<string> {
  const dir = join(await tempDir(), 'another place', 'clone');
  const before = process.umask(umask);
  const options = settings.flatMap((setting) => ['--config', setting]);
  await origin.git('clone', '--quiet', ...options, origin.dir, dir).finally(() => process.umask(before));
  return dir;
}

async function keyOf(dir: string): Promise<string> {
  const { exitCode, stdout, stderr } = await runCli([
    ...['key', '--context', dir, '--file', join(dir, 'Dockerfile'), '--platform', 'linux/amd64'],
  ]);
  expect(exitCode, stderr).toBe(0);
  return stdout;
}

describe.each(Object.entries(PROJECTS))('%s', (_, project) => {
  test('has one key in every clone, and another one with another file', async () => {
    const { origin, settings } = await commitProject(project);
    const ours = await clone(origin, 0o022, [...settings, 'core.autocrlf=false']);
    const theirs = await clone(origin, 0o077, [...settings, 'core.autocrlf=false']);
    await write(theirs, project.local);
    if (process.getuid?.() === 0) {
      await chownAll(theirs, 12345);
    }
    const [key, sameKey] = await Promise.all([keyOf(ours), keyOf(theirs)]);
    expect(sameKey).toBe(key);
    await fs.appendFile(join(theirs, project.change), '\n');
    expect(await keyOf(theirs)).not.toBe(key);
  });

  test('has another key where the line endings are others', async () => {
    const { origin, settings } = await commitProject(project);
    const ours = await clone(origin, 0o022, settings);
    const theirs = await clone(origin, 0o022, [...settings, 'core.autocrlf=true']);
    const [key, otherKey] = await Promise.all([keyOf(ours), keyOf(theirs)]);
    expect(otherKey).not.toBe(key);
  });
});

test('a clone with pointers of Git LFS has another key than one with the files', async () => {
  const project = PROJECTS['a Python project with data in Git LFS'];
  if (project === undefined) {
    throw new Error('there is no such project');
  }
  const { origin, settings } = await commitProject(project);
  const ours = await clone(origin, 0o022, settings);
  const theirs = await clone(origin, 0o022, []);
  const pointer = await fs.readFile(join(theirs, 'models/small.bin'), 'utf8');
  expect(pointer).toContain(createHash('sha256').update(MODEL).digest('hex'));
  const [key, otherKey] = await Promise.all([keyOf(ours), keyOf(theirs)]);
  expect(otherKey).not.toBe(key);
});

async function chownAll(dir: string, uid: number): Promise<void> {
  for (const name of await fs.readdir(dir, { recursive: true })) {
    await fs.lchown(join(dir, name), uid, uid);
  }
  await fs.chown(dir, uid, uid);
}
