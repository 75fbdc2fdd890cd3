import { execFile } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const REGISTRY_TAG = 'claude-bottle-test/registry:2.8';
const REGISTRY_BINARY = '/usr/bin/docker-registry';
const BUSYBOX_BINARY = '/bin/busybox';

/** https://distribution.github.io/distribution/about/configuration/ */
const REGISTRY_CONFIG = `version: 0.1
log: { fields: { service: registry } }
storage:
  cache: { blobdescriptor: inmemory }
  filesystem: { rootdirectory: /var/lib/registry }
http:
  addr: :5000
  headers: { X-Content-Type-Options: [nosniff] }
health:
  storagedriver: { enabled: true, interval: 10s, threshold: 3 }
`;

const REGISTRY_DOCKERFILE = `FROM scratch
COPY rootfs/ /
VOLUME ["/var/lib/registry"]
EXPOSE 5000
ENTRYPOINT ["docker-registry", "serve"]
CMD ["/etc/docker/registry/config.yml"]
`;

const BROKEN_COMMANDS = {
  exits: "echo 'fatal: no space left on device' >&2; exit 1",
  sleeps: 'sleep 3600',
};

/**
 * Debian's docker-registry in an image that is started like registry:2.8.3, for machines that cannot pull that one.
 * Returns its tag.
 */
export async function buildRegistryImage(): Promise<string> {
  const files = [REGISTRY_BINARY, ...(await sharedLibraries(REGISTRY_BINARY))];
  return await buildImage(REGISTRY_TAG, REGISTRY_DOCKERFILE, async (rootfs) => {
    await copyFiles(files, rootfs);
    await fs.mkdir(join(rootfs, 'etc/docker/registry'), { recursive: true });
    await fs.writeFile(join(rootfs, 'etc/docker/registry/config.yml'), REGISTRY_CONFIG);
  });
}

/** An image that is not a registry: it `exits` at once with a message, or `sleeps` and never opens its port. */
export async function buildBrokenRegistryImage(fault: keyof typeof BROKEN_COMMANDS): Promise<string> {
  const entrypoint = JSON.stringify([BUSYBOX_BINARY, 'sh', '-c', BROKEN_COMMANDS[fault]]);
  const dockerfile = `FROM scratch\nCOPY rootfs/ /\nEXPOSE 5000\nENTRYPOINT ${entrypoint}\n`;
  return await buildImage(`claude-bottle-test/registry-${fault}:1`, dockerfile, (rootfs) =>
    copyFiles([BUSYBOX_BINARY], rootfs),
  );
}

async function buildImage(
  tag: string,
  dockerfile: string,
  fillRootfs: (rootfs: string) => Promise<void>,
): Promise<string> {
  const context = await fs.mkdtemp(join(tmpdir(), 'claude-bottle-test-'));
  try {
    await fs.mkdir(join(context, 'rootfs'));
    await fillRootfs(join(context, 'rootfs'));
    await fs.writeFile(join(context, 'Dockerfile'), dockerfile);
    await run('docker', ['build', '--quiet', '--tag', tag, context]);
    return tag;
  } finally {
    await fs.rm(context, { recursive: true });
  }
}

/** The loader and the libraries of a dynamically linked program, by the paths it asks for them with. */
async function sharedLibraries(binary: string): Promise<string[]> {
  const { stdout } = await run('ldd', [binary]);
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].flatMap(([, path]) => path ?? []);
}

/** Copies what links lead to, since links and their targets would part in an image from scratch. */
async function copyFiles(paths: readonly string[], rootfs: string): Promise<void> {
  for (const path of paths) {
    await fs.mkdir(dirname(join(rootfs, path)), { recursive: true });
    await fs.copyFile(path, join(rootfs, path));
  }
}
