import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { readBuildInputs } from '../context/build-inputs.ts';
import { buildImage } from '../docker/build.ts';
import { guestPlatformOf, type Image, inspectImage } from '../docker/image.ts';
import { onlyHereLines } from '../git/causes.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { type GuestPlatform, hostGuestPlatform } from '../identity/platform.ts';
import type { ActionInputs, BuildSource } from './inputs.ts';
import type { RunnerLog } from './log.ts';

/** Where the kernel lists the interpreters for other architectures, such as those of docker/setup-qemu-action. */
const BINFMT_DIR = '/proc/sys/fs/binfmt_misc';

interface Services {
  readonly log: RunnerLog;
  readonly signal: AbortSignal;
}

/** Reads everything that goes into the build, for the inputs key; undefined when nothing is built. */
export async function describeInputs(
  source: ActionInputs['source'],
  platform: GuestPlatform,
  { log, signal }: Services,
): Promise<PackRecord['inputs']> {
  if ('image' in source) {
    return undefined;
  }
  log.onProgress({ type: 'start', stage: 'inputs' });
  const buildInputs = await readBuildInputs({ ...source, platform, signal });
  const { record, entries, reasons } = buildInputs;
  for (const reason of reasons) {
    log.text(`the key covers the whole context: ${reason}`);
  }
  for (const line of await onlyHereLines({ ...source, ...buildInputs, signal })) {
    log.notice('Inputs key', `only in this checkout, so that no other one finds the sidecar: ${line}`);
  }
  const what = record.narrowed ? 'files that the Dockerfile can see' : 'files in the context';
  log.onProgress({ type: 'done', stage: 'inputs', detail: `${record.key}, ${entries.length} ${what}` });
  return record;
}

/** Builds the image, or finds the one that the input `image` names. */
export async function obtainImage(
  source: ActionInputs['source'],
  platform: GuestPlatform,
  { log, signal }: Services,
): Promise<Image> {
  if ('image' in source) {
    const image = await inspectImage(source.image, signal);
    guestPlatformOf(image, platform, false);
    return image;
  }
  warnAboutSecrets(source, log);
  await warnAboutEmulation(platform, log);
  const name = `claude-bottle:${platform.replace('/', '-')}`;
  log.onProgress({ type: 'start', stage: 'build', detail: name });
  const image = await buildImage(
    {
      ...source,
      image: name,
      platform,
      ...secretArgs(source),
    },
    { signal, onLine: (line) => log.onProgress({ type: 'output', stage: 'build', line }) },
  );
  guestPlatformOf(image, platform, true);
  log.onProgress({ type: 'done', stage: 'build', detail: image.id });
  return image;
}

/** Secret values go through the environment, because every user of the machine can read a command line. */
function secretArgs({ secrets }: BuildSource) {
  const variable = (index: number) => `CLAUDE_BOTTLE_PACK_SECRET_${index}`;
  return {
    secrets: secrets.map(({ id }, index) => `id=${id},env=${variable(index)}`),
    env: Object.fromEntries(secrets.map(({ value }, index) => [variable(index), value])),
  };
}

function warnAboutSecrets({ buildArgs }: BuildSource, log: RunnerLog): void {
  const names = buildArgs.map((buildArg) => buildArg.slice(0, buildArg.indexOf('=')));
  const suspects = names.filter((name) => /(TOKEN|SECRET|PASSW(OR)?D|CREDENTIALS?|_KEY)$/i.test(name));
  if (suspects.length > 0) {
    log.warning(
      'Secret in the image',
      `the values of the build-args ${suspects.join(', ')} stay in the image for everyone who gets it; use secrets`,
    );
  }
}

/** No more than a warning: a Dockerfile that only copies, or cross-compiles, needs no emulation. */
async function warnAboutEmulation(platform: GuestPlatform, log: RunnerLog): Promise<void> {
  const handler = platform === 'linux/arm64' ? 'qemu-aarch64' : 'qemu-x86_64';
  if (platform === hostGuestPlatform() || (await isThere(join(BINFMT_DIR, handler)))) {
    return;
  }
  log.warning(
    'No emulation',
    `RUN steps for ${platform} will fail on this runner without emulation: add docker/setup-qemu-action before this step`,
  );
}

async function isThere(path: string): Promise<boolean> {
  return await fs.access(path).then(
    () => true,
    () => false,
  );
}
