import { execFile } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const run = promisify(execFile);

/** A build context with a busybox, for images that can run something without pulling anything. */
export async function busyboxContext(dir: string, dockerfile: string): Promise<string> {
  const context = join(dir, 'context');
  await fs.mkdir(join(context, 'bin'), { recursive: true });
  await fs.copyFile('/bin/busybox', join(context, 'bin/busybox'));
  await fs.symlink('busybox', join(context, 'bin/sh'));
  await fs.writeFile(join(context, 'Dockerfile'), dockerfile);
  return context;
}

export const BUSYBOX_DOCKERFILE = `FROM scratch
COPY bin /bin
ENV GREETING="hello \\"you\\""
WORKDIR /work
LABEL org.example.test=yes
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["echo hi"]
`;

/** The ID of a small image of its own; `salt` makes it another. */
export async function buildSmallImage(dir: string, tag: string, salt = tag): Promise<string> {
  const context = await busyboxContext(dir, `${BUSYBOX_DOCKERFILE}LABEL org.example.salt="${salt}"\n`);
  await run('docker', ['build', '--quiet', '--tag', tag, context]);
  const { stdout } = await run('docker', ['image', 'inspect', '--format', '{{.Id}}', tag]);
  return stdout.trim();
}
