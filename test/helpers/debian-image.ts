import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const TAG = 'claude-bottle-test/debian:1';
const RECIPE_LABEL = 'claude-bottle-test.recipe';
const CACHE_DIR = join(import.meta.dirname, '../../node_modules/.cache/claude-bottle-pack');
const MAX_OUTPUT_BYTES = 64 * 2 ** 20;
const TAIL_CHARS = 4000;

const SUITE = 'bookworm';
const PACKAGES = [
  ...['build-essential', 'curl', 'git', 'iputils-ping', 'jq', 'less', 'libcap2-bin', 'locales', 'nodejs'],
  ...['openssh-client', 'perl', 'procps', 'python3', 'ripgrep', 'sudo'],
];

/**
 * mmdebstrap's hooks ($1 is the new root). The packages are only downloaded: a layer of the image installs them.
 * The host's name and resolver must not end up in the image.
 */
const ROOTFS_HOOKS = [
  `APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get install --yes --no-install-recommends --download-only ${PACKAGES.join(' ')}`,
  'cp "$1"/var/cache/apt/archives/*.deb "$CONTEXT/packages"',
  'echo bottle > "$1/etc/hostname"; echo "# set at run time" > "$1/etc/resolv.conf"',
];

/**
 * Like an agent's image, and with every change between layers that a merge of layers can get wrong: what is below
 * /opt/changes is made in one layer and changed in the next. The .deb files are a layer of their own that a later
 * one deletes, as in many a hand-written Dockerfile.
 */
const DOCKERFILE = String.raw`FROM scratch
ADD rootfs.tar /
ENV LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

COPY packages/ /var/tmp/packages/
RUN DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
      --option Dpkg::Options::=--force-unsafe-io /var/tmp/packages/*.deb
RUN rm -r /var/tmp/packages /usr/share/doc/git

RUN mkdir -p /opt/changes && cd /opt/changes && umask 022 \
 && echo old > deleted-file && mkdir -p deleted-directory/inner && echo old > deleted-directory/inner/file \
 && echo untouched > target && ln -s target link-to-other-link && ln -s target link-to-file \
 && echo old > file-to-link && echo old > file-to-directory \
 && mkdir directory-to-file directory-to-link emptied && echo old | tee directory-to-file/old directory-to-link/old emptied/old \
 && mkdir recreated && echo old | tee recreated/only-old recreated/both \
 && mkdir hard-links && cd hard-links && echo one > first && ln first second \
 && echo two > kept && ln kept deleted && echo three > lower && echo four > rewritten && ln rewritten unchanged \
 && cd .. && echo mode > mode-changed && echo owner > owner-changed

RUN cd /opt/changes && umask 022 \
 && rm -r deleted-file deleted-directory emptied/old \
 && ln -sfn recreated link-to-other-link && rm link-to-file && echo new > link-to-file \
 && rm file-to-link && ln -s target file-to-link \
 && rm file-to-directory && mkdir file-to-directory && echo new > file-to-directory/new \
 && rm -r directory-to-file && echo new > directory-to-file \
 && rm -r directory-to-link && ln -s recreated directory-to-link \
 && rm -r recreated && mkdir recreated && echo new | tee recreated/only-new recreated/both \
 && cd hard-links && rm deleted && ln lower upper && echo new > rewritten.new && mv rewritten.new rewritten \
 && cd .. && chmod 0600 mode-changed && chown 7:8 owner-changed

RUN mkdir -p /opt/special/empty-directory && cd /opt/special && umask 022 \
 && : > empty-file && echo old > of-1970 && touch -d @86400 of-1970 \
 && echo secret > unreadable && chmod 0000 unreadable \
 && cp /bin/true setuid && chmod 4755 setuid && cp /bin/true setgid && chmod 2755 setgid \
 && mkdir sticky setgid-directory && chmod 1777 sticky && chmod 2775 setgid-directory \
 && cp /bin/true capable && setcap cap_net_bind_service,cap_net_raw+ep capable \
 && mknod -m 0666 null c 1 3 && mknod -m 0640 loop0 b 7 0 && mkfifo -m 0620 fifo \
 && echo huge > huge-owner && chown 3000000:4000000000 huge-owner \
 && ln -s "$(printf 't%.0s' $(seq 90))/$(printf 'u%.0s' $(seq 90))" link-to-long-path \
 && echo name > "$(printf 'n%.0s' $(seq 220))" && echo name > 'Grüße, 日本語 🍾' \
 && deep=$(printf 'd%.0s' $(seq 120)) && mkdir -p $deep/$deep/$deep && echo path > $deep/$deep/$deep/file \
 && ln $deep/$deep/$deep/file hard-link-to-deep-file

RUN mkdir /opt/data && python3 -c 'exec("""\
import random\n\
chunk = 1 << 20\n\
noise = random.Random(1)\n\
with open("/opt/data/mixed.bin", "wb") as data:\n\
    for index in range(16):\n\
        data.write(noise.randbytes(chunk))\n\
        data.write(b"all work and no play\\n" * (chunk // 21))\n\
        data.write(bytes(chunk))\n\
        data.seek(chunk, 1)\n\
    data.truncate(64 * chunk)\n\
""")'

RUN useradd --create-home --shell /bin/bash agent && mkdir -p /workspace /var/lib/agent/state \
 && echo '{}' > /var/lib/agent/state/settings.json && ln /var/lib/agent/state/settings.json /var/lib/agent/linked.json \
 && chown -R agent:agent /workspace /var/lib/agent && chmod 0750 /var/lib/agent \
 && printf '#!/bin/sh\nexec "$@"\n' > /usr/local/bin/agent-entrypoint && chmod 0755 /usr/local/bin/agent-entrypoint

ENV AGENT_MODE=test AGENT_GREETING="hello, \"bottle\" = ü"
LABEL org.example.agent="Debian test image"
EXPOSE 8080 9000/udp
VOLUME ["/var/lib/agent"]
STOPSIGNAL SIGINT
WORKDIR /workspace
USER agent
ENTRYPOINT ["/usr/local/bin/agent-entrypoint"]
CMD ["node", "--version"]
`;

/**
 * Returns the tag of a real Debian 12 image of about 700 MB, built from nothing when the engine does not have it.
 * What comes from the Debian mirror stays in node_modules/.cache; the packages need root and mmdebstrap.
 */
export async function ensureDebianImage(): Promise<string> {
  const context = await prepareContext();
  const recipe = hash([basename(context), DOCKERFILE]);
  if ((await recipeOfEngine()) === recipe) {
    return TAG;
  }
  console.error(`building ${TAG}: a minute or two, once per engine`);
  await fs.writeFile(join(context, 'Dockerfile'), DOCKERFILE);
  await runOrExplain('docker', [
    ...['build', '--network', 'none', '--label', `${RECIPE_LABEL}=${recipe}`, '--tag', TAG, context],
  ]);
  return TAG;
}

async function recipeOfEngine(): Promise<string | undefined> {
  const format = `{{index .Config.Labels "${RECIPE_LABEL}"}}`;
  try {
    return (await run('docker', ['image', 'inspect', '--format', format, TAG])).stdout.trim();
  } catch {
    return undefined;
  }
}

/** A build context that holds a minimal Debian as rootfs.tar and the .deb files of everything else. */
async function prepareContext(): Promise<string> {
  const context = join(CACHE_DIR, `debian-image-${hash([SUITE, ...ROOTFS_HOOKS])}`);
  if (existsSync(context)) {
    return context;
  }
  console.error(`fetching Debian ${SUITE} and ${PACKAGES.length} packages with mmdebstrap`);
  await fs.mkdir(CACHE_DIR, { recursive: true });
  const unfinished = await fs.mkdtemp(`${context}.`);
  try {
    await fs.mkdir(join(unfinished, 'packages'));
    const hooks = ROOTFS_HOOKS.map((hook) => `--customize-hook=${hook}`);
    const mirror = await machineMirror();
    await runOrExplain(
      'mmdebstrap',
      [...['--variant=apt', ...hooks, SUITE, join(unfinished, 'rootfs.tar')], ...mirror],
      { ...process.env, CONTEXT: unfinished },
    );
    await fs.rename(unfinished, context);
  } finally {
    await fs.rm(unfinished, { recursive: true, force: true });
  }
  return context;
}

/** The mirror that this machine's apt takes the suite from; mmdebstrap has a default for the others. */
async function machineMirror(): Promise<string[]> {
  const args = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', 'Origin: Debian'];
  const { stdout } = await run('apt-get', [...args, `Codename: ${SUITE}`]);
  return stdout.split('\n').slice(0, 1).filter(Boolean);
}

/** A build's output is long and matters only when it fails. */
async function runOrExplain(command: string, args: readonly string[], env = process.env): Promise<void> {
  try {
    await run(command, args, { env, maxBuffer: MAX_OUTPUT_BYTES });
  } catch (error) {
    const { message, stdout = '', stderr = '' } = error as Error & { stdout?: string; stderr?: string };
    const output = `${stdout.slice(-TAIL_CHARS)}\n${stderr.slice(-TAIL_CHARS)}`;
    throw new Error(`${message.split('\n')[0]}\n${output}`, { cause: error });
  }
}

function hash(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}
