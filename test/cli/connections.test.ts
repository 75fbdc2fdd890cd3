import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import * as https from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SigstoreDouble } from '../doubles/sigstore/sigstore.ts';
import { publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { type CliResult, runCli } from '../helpers/cli.ts';
import { startServer } from '../helpers/loopback-server.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const HOUR_MS = 60 * 60 * 1000;
const AUTHORITY = new SigstoreDouble();

/** A fetch of a sidecar at this address, on a machine that knows the authority. */
async function fetchFrom(source: string, env: NodeJS.ProcessEnv = {}): Promise<CliResult> {
  const home = await tempDir();
  const ca = join(home, 'ca.pem');
  await fs.writeFile(ca, AUTHORITY.tlsCertificate([]).ca);
  const { dir } = await sampleCheckout();
  const args = ['fetch', '--context', dir, '--platform', 'linux/amd64', '--no-bind', '--from', source];
  return await runCli(args, {
    HOME: home,
    GH_TOKEN: '',
    GITHUB_TOKEN: '',
    DOCKER_CONFIG: home,
    NODE_EXTRA_CA_CERTS: ca,
    ...env,
  });
}

/** @returns its port */
async function startTls(names: readonly string[], fromMs = -HOUR_MS, toMs = HOUR_MS): Promise<number> {
  const at = (offset: number) => new Date(Date.now() + offset);
  const server = https.createServer(
    AUTHORITY.tlsCertificate(names, at(fromMs), at(toMs)),
    (_request, response) => response.writeHead(404).end(),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

describe('a certificate', () => {
  test.each([
    ['has expired', -2 * HOUR_MS, -HOUR_MS, 'certificate has expired'],
    ['is not valid yet', HOUR_MS, 2 * HOUR_MS, 'certificate is not yet valid'],
  ])('that %s leads to the clock of the machine', async (_, from, to, reason) => {
    const port = await startTls(['localhost'], from, to);
    const { exitCode, stderr } = await fetchFrom(`https://localhost:${port}/agent.smolmachine`);
    expect(exitCode, stderr).toBe(69);
    expect(stderr).toContain(`no answer from https://localhost:${port}: ${reason}`);
    expect(stderr).toMatch(/try: check the clock of this machine, which says \d{4}-\d\d-\d\dT/);
    expect(stderr).not.toContain('trying again');
  });

  test('of another server leads to the name', async () => {
    const port = await startTls(['elsewhere.example']);
    const { exitCode, stderr } = await fetchFrom(`https://localhost:${port}/agent.smolmachine`);
    expect(exitCode, stderr).toBe(69);
    expect(stderr).toMatch(/try: check the name of the server: its certificate is for other names/);
  });

  test('that nobody knows leads to NODE_EXTRA_CA_CERTS', async () => {
    const port = await startTls(['localhost']);
    const source = `https://localhost:${port}/agent.smolmachine`;
    const { exitCode, stderr } = await fetchFrom(source, { NODE_EXTRA_CA_CERTS: '' });
    expect(exitCode, stderr).toBe(69);
    expect(stderr).toMatch(/try: .*NODE_EXTRA_CA_CERTS/);
    expect((await fetchFrom(source)).exitCode).toBe(66);
  });
});

test('an authority that the system knows is one for us', async () => {
  const port = await startTls(['localhost']);
  const system = join(await tempDir(), 'certificates.pem');
  await fs.writeFile(system, AUTHORITY.tlsCertificate([]).ca);
  const { exitCode, stderr } = await fetchFrom(`https://localhost:${port}/agent.smolmachine`, {
    NODE_EXTRA_CA_CERTS: '',
    SSL_CERT_FILE: system,
  });
  expect(exitCode, stderr).toBe(66);
});

describe('a port where something else answers is told at once', () => {
  test('without TLS', async () => {
    const { port } = await startServer((_, response) => response.end());
    const { exitCode, stderr } = await fetchFrom(`https://localhost:${port}/agent.smolmachine`);
    expect(exitCode, stderr).toBe(69);
    expect(stderr).toMatch(/try: check the port: no TLS is spoken there/);
    expect(stderr).not.toContain('trying again');
  });

  test('with TLS, where a registry of this machine is asked without', async () => {
    const words = 'Client sent an HTTP request to an HTTPS server.\n';
    const { host } = await startServer((_, response) => response.writeHead(400).end(words));
    const { exitCode, stderr } = await fetchFrom(`oci:${host}/acme/tools`);
    expect(exitCode, stderr).toBe(69);
    expect(stderr).toMatch(
      /try: .* this machine are asked without TLS, unless they are named by its host name/,
    );
    expect(stderr).not.toContain('trying again');
  });

  test('without HTTP', async () => {
    const server = createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { exitCode, stderr } = await fetchFrom(`http://localhost:${port}/agent.smolmachine`);
    expect(exitCode, stderr).toBe(69);
    expect(stderr).toMatch(/try: check the port: the program that answers there does not speak HTTP/);
    expect(stderr).not.toContain('trying again');
  });
});

test.each([
  ['wants a login', '407 Proxy Authentication Required', 'check the login for the proxy in HTTPS_PROXY'],
  ['forbids the server', '403 Forbidden', 'ask the operator of the proxy'],
])('a proxy that %s is told at once', async (_, status, hint) => {
  const proxy = createServer((socket) => {
    socket.once('data', () => socket.end(`HTTP/1.1 ${status}\r\n\r\n`));
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => void proxy.close());
  const { port } = proxy.address() as AddressInfo;
  const { exitCode, stderr } = await fetchFrom('https://files.example/agent.smolmachine', {
    HTTPS_PROXY: `http://127.0.0.1:${port}`,
    NO_PROXY: '',
  });
  expect(exitCode, stderr).toBe(69);
  expect(stderr).toMatch(new RegExp(`by way of the proxy http://127\\.0\\.0\\.1:\\d+: .*${status}`));
  expect(stderr).toContain(`try: ${hint}`);
  expect(stderr).not.toContain('trying again');
});

describe('an address that wants a login', () => {
  test.each([401, 403])('with %i is not asked with a token of GitHub', async (status) => {
    const { host, requests } = await startServer((_, response) => response.writeHead(status).end());
    const { exitCode, stderr } = await fetchFrom(`http://${host}/agent.smolmachine`, { GH_TOKEN: 'token' });
    expect(exitCode, stderr).toBe(77);
    expect(stderr).toMatch(/try: download .* and use file:PATH; no login is sent there/);
    expect(requests.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  test('with a page for people is told from a record that is damaged', async () => {
    const { host } = await startServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Sign in</html>');
    });
    const { exitCode, stderr } = await fetchFrom(`http://${host}/agent.smolmachine`);
    expect(exitCode, stderr).toBe(69);
    expect(stderr).toMatch(/is a web page, and not a pack record[\s\S]*use file:PATH/);
  });

  test('or is not there leads to the name of the record', async () => {
    const { host } = await startServer((_, response) => response.writeHead(404).end());
    const { exitCode, stderr } = await fetchFrom(`http://${host}/agent.smolmachine`);
    expect(exitCode, stderr).toBe(66);
    expect(stderr).toContain(`http://${host}/agent.smolmachine.json answered 404`);
  });
});

test.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
  'a store on a full disk ends with 73, and keeps nothing of the sidecar',
  async () => {
    const { execFileSync } = await import('node:child_process');
    const disk = await tempDir();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', disk]);
    onTestFinished(() => {
      execFileSync('umount', [disk]);
    });
    const checkout = await sampleCheckout();
    const { path } = await publishFile(checkout);
    const result = await runCli(
      [
        ...['fetch', '--context', checkout.dir, '--platform', 'linux/amd64', '--no-bind'],
        ...['--from', `file:${path}`, '--store', join(disk, 'store')],
      ],
      { HOME: disk, GH_TOKEN: '', GITHUB_TOKEN: '' },
    );
    expect(result.exitCode, result.stderr).toBe(73);
    expect(result.stderr).toMatch(/try: .*(disk|space)/);
    const left = await fs.readdir(join(disk, 'store'), { recursive: true });
    expect(left.filter((name) => /objects\/sha256\/./.test(name))).toEqual([]);
  },
);
