import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  CAN_HIDE_KVM,
  double,
  LACKS_REAL_SMOLVM,
  REAL_VERSIONS,
  type RunOptions,
  real,
  runSmolvm,
  type SmolvmRun,
  type Subject,
  Table,
} from './smolvm.ts';

const table = new Table();
afterAll(() => {
  console.log(`\nthe double of smolvm against the real one\n${table}`);
});

const IMAGE = ['--image', 'localhost:1/a/b'];
const KVM_FAULT = 'no-kvm';

/** What both must answer in the same way, without a request or a virtual machine. */
const REFUSALS: ReadonlyArray<readonly [check: string, args: readonly string[]]> = [
  ['no output', ['pack', 'create', ...IMAGE]],
  ['no image', ['pack', 'create', '-o', 'x']],
  ['unknown option', ['pack', 'create', ...IMAGE, '-o', 'x', '--zzz']],
  ['option twice', ['pack', 'create', ...IMAGE, '-o', 'x', '-o', 'y']],
  ['too many CPUs', ['pack', 'create', ...IMAGE, '-o', 'x', '--cpus=256']],
  ['no value', ['pack', 'create', ...IMAGE, '-o']],
  ['image and machine', ['pack', 'create', ...IMAGE, '--from-vm', 'v', '-o', 'x']],
  ['sidecar as output', ['pack', 'create', ...IMAGE, '-o', 'x.smolmachine']],
  ['sidecar as output, capitals', ['pack', 'create', ...IMAGE, '-o', 'x.SMOLMACHINE']],
  ['unknown command', ['bogus']],
];

describe.skipIf(LACKS_REAL_SMOLVM).each(REAL_VERSIONS)('smolvm %s and its double', (version) => {
  const both = async (args: readonly string[], options?: RunOptions) => {
    const [actual, doubled] = await Promise.all([
      runSmolvm(await real(version), args, options),
      runSmolvm(double(version, options?.withoutKvm ? KVM_FAULT : ''), args, options),
    ]);
    return { actual: answer(actual), doubled: answer(doubled) };
  };
  const pass = (check: string) => table.set(check, version, 'same');

  test('have the same version', async () => {
    const { actual, doubled } = await both(['--version']);
    expect(doubled).toEqual(actual);
    pass('version');
  });

  test('have the same options', async () => {
    const { actual, doubled } = await both(['pack', 'create', '--help']);
    expect(optionsIn(doubled.stdout)).toEqual(optionsIn(actual.stdout));
    pass('options in the help');
  });

  test.each(REFUSALS)('refuse in the same words: %s', async (check, args) => {
    const { actual, doubled } = await both(args);
    expect(actual.code).not.toBe(0);
    expect(doubled).toEqual(actual);
    pass(check);
  });

  test.skipIf(!CAN_HIDE_KVM).each([
    ['without KVM', []],
    ['without KVM, with a disk size', ['--storage', '20']],
    ['without KVM, errors as JSON', ['--error-format', 'json']],
    ['without KVM, all state in one directory', ['--state-dir', 'state']],
  ])('ask, print and leave the same %s', async (check, more) => {
    const registry = await startRegistry();
    const { stdout: help } = await runSmolvm(await real(version), ['pack', 'create', '--help']);
    if (more[0] !== undefined && !optionsIn(help).includes(more[0])) {
      table.set(check, version, '-');
      return;
    }
    const args = ['pack', 'create', '--image', registry.reference, '-o', 'x', ...more];
    const actual = await runSmolvm(await real(version), args, { withoutKvm: true });
    const asked = registry.takeRequests();
    const doubled = await runSmolvm(double(version, KVM_FAULT), args, { withoutKvm: true });
    expect(registry.takeRequests()).toEqual(asked);
    expect(answer(doubled)).toEqual(answer(actual));
    expect(doubled.files).toEqual(actual.files);
    pass(check);
  });

  test.skipIf(!CAN_HIDE_KVM)('obey a proxy for the manifest in the same way', async () => {
    const registry = await startRegistry();
    const proxy = await startRegistry();
    const args = ['pack', 'create', '--image', registry.reference, '-o', 'x'];
    const options = { withoutKvm: true, env: { HTTP_PROXY: `http://${proxy.address}` } };
    await runSmolvm(await real(version), args, options);
    const asked = [registry.takeRequests().length, proxy.takeRequests().length];
    await runSmolvm(double(version, KVM_FAULT), args, options);
    expect([registry.takeRequests().length, proxy.takeRequests().length]).toEqual(asked);
    pass('manifest through a proxy');
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)('leave the same after %s in the middle', async (signal) => {
    const killed = async (subject: Subject) => {
      const silent = await startRegistry({ isSilent: true });
      const args = ['pack', 'create', '--image', silent.reference, '-o', 'x'];
      let asked = false;
      const run = await runSmolvm(subject, args, {
        withoutKvm: true,
        onSpawn: async (pid) => {
          for (let tries = 0; tries < 100 && !asked; tries += 1) {
            await sleep(50);
            asked = silent.takeRequests().length > 0;
          }
          if (asked) {
            process.kill(pid, signal);
          }
        },
      });
      return { ...answer(run), signal: run.signal, asked, files: run.files };
    };
    const actual = await killed(await real(version));
    const doubled = await killed(double(version, KVM_FAULT));
    expect(doubled).toEqual(actual);
    table.set(`files left after ${signal}`, version, actual.asked ? 'same' : 'no probe');
  });
});

/** Without what tells the double apart on purpose, times and colors. */
function answer({ code, stdout, stderr }: SmolvmRun) {
  const clean = (text: string) =>
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colors
      .replace(/\u001b\[[0-9;]*m/g, '')
      .replace(/^smolvm-double: .*\n/gm, '')
      .replace(/^\S+Z +WARN /gm, 'WARN ');
  return { code, stdout: clean(stdout), stderr: clean(stderr) };
}

function optionsIn(help: string): string[] {
  return [...help.matchAll(/^ +(?:-\w, )?(--[a-z-]+)/gm)].map(([, name = '']) => name).sort();
}

const MANIFEST = JSON.stringify({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  config: {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    digest: `sha256:${'c'.repeat(64)}`,
    size: 2,
  },
  layers: [
    { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: `sha256:${'a'.repeat(64)}`, size: 1 },
  ],
});

/** Serves one manifest; `isSilent` takes requests and never answers. */
async function startRegistry({ isSilent = false } = {}) {
  let requests: unknown[] = [];
  const server = http.createServer((request, response) => {
    const { accept, 'user-agent': userAgent } = request.headers;
    requests.push({ method: request.method, url: request.url, accept, userAgent });
    if (!isSilent) {
      response.setHeader('content-type', 'application/vnd.oci.image.manifest.v1+json').end(MANIFEST);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = `localhost:${(server.address() as AddressInfo).port}`;
  return {
    address,
    reference: `${address}/a/b:c`,
    takeRequests: () => {
      const taken = requests;
      requests = [];
      return taken;
    },
  };
}
