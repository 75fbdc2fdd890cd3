import { busyboxContext, run } from './small-image.ts';

/**
 * Small, and with one of everything that a sidecar may lose or a merge of layers get wrong. What has an odd time gets
 * it last, because a new entry changes the time of its directory.
 */
const DOCKERFILE = String.raw`FROM scratch
COPY bin /bin
RUN ["/bin/busybox", "sh", "-c", "mkdir -p /opt/changes /tmp /etc /root && chmod 1777 /tmp && cd /opt/changes && umask 022 \
 && echo root:x:0:0::/root:/bin/sh > /etc/passwd && echo agent:x:1000:1000::/work:/bin/sh >> /etc/passwd \
 && echo root:x:0: > /etc/group && echo agent:x:1000: >> /etc/group \
 && echo old > deleted-file && mkdir -p deleted-directory/inner && echo old > deleted-directory/inner/file \
 && ln -s target link-to-file && echo old > file-to-link && mkdir directory-to-file && echo old > directory-to-file/old \
 && mkdir recreated && echo old > recreated/only-old && echo one > first && ln first second && echo mode > mode-changed"]
RUN ["/bin/busybox", "sh", "-c", "cd /opt/changes && umask 022 && rm -r deleted-file deleted-directory \
 && rm link-to-file && echo new > link-to-file && rm file-to-link && ln -s target file-to-link \
 && rm -r directory-to-file && echo new > directory-to-file && rm -r recreated && mkdir recreated \
 && echo new > recreated/only-new && chmod 0600 mode-changed && chown 7:8 mode-changed \
 && mkdir -p /opt/special/empty-directory && cd /opt/special && : > empty-file && echo secret > unreadable \
 && chmod 0000 unreadable && cp /bin/busybox setuid && chmod 4755 setuid && echo x > setgid && chmod 2755 setgid \
 && mkdir sticky setgid-directory && chmod 1777 sticky && chmod 2775 setgid-directory \
 && mknod -m 0666 null c 1 3 && mknod -m 0640 loop0 b 7 0 && mkfifo fifo && chmod 0620 fifo \
 && echo huge > huge-owner && chown 3000000:3000001 huge-owner && ln -s ../../bin/busybox link && ln -s /bin/sh absolute-link \
 && ln -s missing/target dangling-link && echo linked > hard-one && ln hard-one hard-two && chown 1000:1000 hard-one \
 && long=$(printf 'n%.0s' $(seq 200)) && echo name > $long && ln -s $long/$long link-to-long-path \
 && echo name > 'Grüße, 日本語 🍾' && dd if=/dev/zero of=zeros bs=64k count=32 2>/dev/null \
 && mkdir -p /work/private && echo agent > /work/private/file && chown -R 1000:1000 /work && chmod 0750 /work/private \
 && echo old > of-1960 && touch -d '1960-01-02 03:04:05' of-1960 && echo old > of-1975 \
 && touch -d '1975-01-02 03:04:05' of-1975 /opt/special/empty-directory && touch -h -d '1985-01-02 03:04:05' link"]
ENV AGENT_MODE=test AGENT_GREETING="hello, \"bottle\" = ü"
WORKDIR /work
USER agent
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["sleep 3600"]
`;

const TAG = 'claude-bottle-test/agent:1';

/** Builds the image and returns its tag. */
export async function buildAgentImage(dir: string): Promise<string> {
  const context = await busyboxContext(dir, DOCKERFILE);
  await run('docker', ['build', '--quiet', '--network', 'none', '--tag', TAG, context]);
  return TAG;
}
