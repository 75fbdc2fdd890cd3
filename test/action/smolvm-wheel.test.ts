import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { isOnPath } from '../helpers/docker-registry.ts';
import { callInChild, type ModuleResult } from '../helpers/module-child.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const VERSION = '1.32.2';
const NAME = `smolmachines-${VERSION}-py3-none-any.whl`;

let dir: string;
let out: string;

beforeEach(async () => {
  dir = await tempDir();
  out = join(dir, 'out');
  await fs.mkdir(out);
});

/** A wheel with what smolvm's own has, in small; its smolvm prints where it was told to look. */
async function makeWheel({ isCompressed = true } = {}): Promise<Buffer> {
  const root = join(dir, 'wheel');
  await fs.mkdir(join(root, 'smol'), { recursive: true });
  const script = `#!/bin/sh\necho "smolvm ${VERSION}"\necho "$SMOLVM_AGENT_ROOTFS $LD_LIBRARY_PATH" >&2\n`;
  await fs.writeFile(join(root, 'smol/smol-vmm'), script);
  await fs.writeFile(join(root, 'smol/libkrun.so'), 'library');
  await fs.writeFile(join(root, 'smol/libkrunfw.so.5'), 'library');
  await fs.mkdir(join(dir, 'agent/sbin'), { recursive: true });
  await fs.writeFile(join(dir, 'agent/sbin/agent'), 'agent', { mode: 0o755 });
  const agent = execFileSync('tar', ['-c', '-C', join(dir, 'agent'), '.']);
  const [name, bytes] = isCompressed
    ? ['agent-rootfs.tar.zst', zstdCompressSync(agent)]
    : ['agent-rootfs.tar', agent];
  await fs.writeFile(join(root, 'smol', name as string), bytes as Buffer);
  const info = join(root, `smolmachines-${VERSION}.dist-info`);
  await fs.mkdir(info);
  await fs.writeFile(
    join(info, 'METADATA'),
    `Metadata-Version: 2.1\nName: smolmachines\nVersion: ${VERSION}\n`,
  );
  await fs.writeFile(join(info, 'WHEEL'), 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n');
  await fs.writeFile(join(info, 'RECORD'), '');
  const path = join(dir, NAME);
  execFileSync('python3', ['-m', 'zipfile', '-c', path, join(root, 'smol'), info]);
  return await fs.readFile(path);
}

/** A package index that has this wheel; returns pip's address of it. */
async function serveIndex(wheel: Buffer | undefined): Promise<string> {
  const server = http.createServer((request, response) => {
    if (request.url === `/files/${NAME}` && wheel !== undefined) {
      response.end(wheel);
    } else if (request.url === '/simple/smolmachines/') {
      const link = wheel === undefined ? '' : `<a href="/files/${NAME}">${NAME}</a>`;
      response.setHeader('content-type', 'text/html').end(`<!DOCTYPE html><html><body>${link}</body></html>`);
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple/`;
}

async function unpack(sha256: string, env: NodeJS.ProcessEnv, cwd?: string): Promise<ModuleResult> {
  const call = `unpackWheel(${JSON.stringify({ version: VERSION, sha256 })}, ${JSON.stringify(out)})`;
  return await callInChild('src/action/smolvm-wheel.ts', call, {
    env: { HOME: dir, TMPDIR: dir, PIP_CONFIG_FILE: '/dev/null', PIP_RETRIES: '0', ...env },
    ...(cwd && { cwd }),
  });
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe.skipIf(!isOnPath('python3'))('smolvm from a package index', () => {
  test.each([true, false])('is laid out as a release is (agent compressed: %s)', async (isCompressed) => {
    const wheel = await makeWheel({ isCompressed });
    expect(await unpack(sha256(wheel), { PIP_INDEX_URL: await serveIndex(wheel) })).toEqual({});
    expect((await fs.readdir(out)).sort()).toEqual(['agent-rootfs', 'lib', 'smolvm', 'smolvm-bin']);
    expect((await fs.readdir(join(out, 'lib'))).sort()).toEqual(['libkrun.so', 'libkrunfw.so.5']);
    expect((await fs.stat(join(out, 'agent-rootfs/sbin/agent'))).mode & 0o777).toBe(0o755);
    const answer = execFileSync('sh', ['-c', `${join(out, 'smolvm')} --version 2>&1`], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH },
    });
    expect(answer).toBe(`smolvm ${VERSION}\n${join(out, 'agent-rootfs')} ${join(out, 'lib')}\n`);
  });

  test('is set up by no module that is in the workspace', async () => {
    const wheel = await makeWheel();
    const workspace = join(dir, 'workspace');
    await fs.mkdir(join(workspace, 'pip'), { recursive: true });
    for (const name of ['pip/__init__.py', 'pip/__main__.py', 'zipfile.py', 'runpy.py', 'sitecustomize.py']) {
      const mark = join(dir, name.replace('/', '-'));
      await fs.writeFile(join(workspace, name), `open(${JSON.stringify(mark)}, 'w')\nraise SystemExit(1)\n`);
    }
    expect(await unpack(sha256(wheel), { PIP_INDEX_URL: await serveIndex(wheel) }, workspace)).toEqual({});
    expect((await fs.readdir(dir)).filter((name) => name.endsWith('.py'))).toEqual([]);
  });

  test('with another hash is not unpacked, and both hashes are named', async () => {
    const wheel = await makeWheel();
    const expected = '0'.repeat(64);
    const result = await unpack(expected, { PIP_INDEX_URL: await serveIndex(wheel) });
    expect(result).toMatchObject({
      code: 'smolvm-untrusted',
      message: expect.stringContaining(sha256(wheel)),
    });
    expect(result.message).toContain(expected);
    expect(await fs.readdir(out)).toEqual([]);
  });

  test('that is not there for this machine is told from an index that is not reachable', async () => {
    const missing = await unpack('0'.repeat(64), { PIP_INDEX_URL: await serveIndex(undefined) });
    expect(missing).toMatchObject({
      code: 'smolvm-unsupported',
      hint: expect.stringContaining('glibc 2.28'),
    });
    const unreachable = await unpack('0'.repeat(64), {
      PIP_INDEX_URL: 'http://127.0.0.1:9/simple/',
      PIP_RETRIES: '1',
    });
    expect(unreachable).toMatchObject({
      code: 'network-failed',
      message: expect.stringContaining('not reachable'),
    });
    expect(await fs.readdir(out)).toEqual([]);
  });

  test('needs pip, which is named', async () => {
    const bin = join(dir, 'bin');
    await fs.mkdir(bin);
    const text = '#!/bin/sh\necho "/usr/bin/python3: No module named pip" >&2\nexit 1\n';
    await fs.writeFile(join(bin, 'python3'), text, { mode: 0o755 });
    expect(await unpack('0'.repeat(64), { PATH: bin })).toMatchObject({
      code: 'smolvm-missing',
      message: expect.stringContaining('python3 has no pip'),
    });
    await fs.rm(join(bin, 'python3'));
    expect(await unpack('0'.repeat(64), { PATH: bin })).toMatchObject({
      code: 'smolvm-missing',
      message: expect.stringContaining('python3 is not on PATH'),
    });
  });

  test('gets none of the secrets of the job', async () => {
    const wheel = await makeWheel();
    const real = execFileSync('sh', ['-c', 'command -v python3'], { encoding: 'utf8' }).trim();
    const bin = join(dir, 'bin');
    await fs.mkdir(bin);
    await fs.writeFile(join(bin, 'python3'), `#!/bin/sh\nenv >> ${dir}/seen\nexec ${real} "$@"\n`, {
      mode: 0o755,
    });
    const result = await unpack(sha256(wheel), {
      PATH: `${bin}:${process.env.PATH}`,
      PIP_INDEX_URL: await serveIndex(wheel),
      GITHUB_TOKEN: 'ghs_secret',
      INPUT_GITHUB_TOKEN: 'ghs_secret',
      ACTIONS_RUNTIME_TOKEN: 'secret',
    });
    expect(result).toEqual({});
    expect(await fs.readFile(join(dir, 'seen'), 'utf8')).not.toContain('secret');
  });
});
