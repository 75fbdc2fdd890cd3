import type { Chapter } from './row.ts';

export const PACKING: readonly Chapter[] = [
  {
    title: 'The registry container',
    rows: [
      {
        situation: 'The registry image cannot be pulled',
        injected: 'The name of an image that no registry has',
        expected: '1 with the name of the image; nothing left behind',
        tests: {
          'cli/pack.docker.test.ts': [
            'what the registry container does wrong is told, and nothing is left > it missing',
          ],
        },
      },
      {
        situation: 'The container ends at once, or never opens its port',
        injected: 'Registry images whose program exits, or sleeps',
        expected: "1 with the container's last lines, or after 30 seconds without an answer",
        tests: {
          'cli/pack.docker.test.ts': [
            'what the registry container does wrong is told, and nothing is left > it exits',
          ],
          'cli/faults.docker.test.ts': [
            'a registry container > that fails for long ends the run with an error, one that recovers does not',
          ],
        },
      },
      {
        situation: 'Docker publishes the port on all addresses',
        injected: 'A docker command that reports the port on 0.0.0.0',
        expected: '1, and nothing is pushed',
        tests: {
          'cli/faults.docker.test.ts': ['a registry container > that is published for everyone gets no push'],
        },
      },
      {
        situation: 'Another program answers on the port',
        injected: 'A web server whose port docker reports for the registry',
        expected: '1, and nothing is pushed',
        tests: {
          'cli/faults.docker.test.ts': [
            'a registry container > on whose port something else answers gets no push',
          ],
        },
      },
      {
        situation: 'The registry dies before, during or after the push',
        injected: 'Its container is killed at each of these moments',
        expected: '1 with the failed push, nothing left behind',
        tests: {
          'cli/faults.docker.test.ts': [
            'a registry container > that dies %s ends the run with an error',
            'a registry container > that fails for long ends the run with an error, one that recovers does not',
          ],
        },
      },
      {
        situation: 'Removing the container hangs',
        injected: 'A docker command that sleeps at `container rm`',
        expected: 'The result is kept; after 5 seconds there is a warning, and the next run removes the rest',
        tests: {
          'cli/faults.docker.test.ts': [
            'a registry container > that cannot be removed costs 5 seconds and a warning, and the next run removes it',
          ],
        },
      },
      {
        situation: 'The registry answers 503, for a moment or for long',
        injected: 'A proxy before the registry that refuses two uploads, or all of them',
        expected: 'The push is tried again and succeeds, or ends with 1 and the answer',
        tests: {
          'cli/faults.docker.test.ts': [
            'a registry container > that fails for long ends the run with an error, one that recovers does not',
          ],
        },
      },
      {
        situation: 'Another client moves the tag in the registry after the push',
        injected: 'A second client that overwrites the tag as soon as the push has ended',
        expected: 'The sidecar holds the image that was pushed, because smolvm pulls it by its digest',
        tests: {
          'cli/faults.docker.test.ts': [
            'a registry container > in which someone moves the tag after the push still gives our image',
          ],
        },
      },
      {
        situation: 'The disk of the registry is full',
        injected: 'A registry whose storage is a RAM disk of 64 kB',
        expected: '1 with "no space left" and the hint to free disk space',
        tests: {
          'cli/faults.docker.test.ts': [
            'a registry container > that fails for long ends the run with an error, one that recovers does not',
          ],
        },
      },
    ],
  },
  {
    title: 'Packing',
    rows: [
      {
        situation:
          'A checkout, a build argument or a version of smolvm is not the one that a sidecar was packed with',
        injected:
          '`pack --reproduce` in a checkout with a changed file, without the argument, and with another version',
        expected: '78 with the files that differ, or with the version; nothing is kept',
        tests: {
          'cli/reproduce.docker.test.ts': [
            'a changed file is named, and nothing is kept',
            'a build argument that the record does not name has to be given again',
            'of packer smolvm the files are compared, with the version of smolvm that packed',
          ],
        },
      },
      {
        situation: 'smolvm is missing, has an unsupported version, or is not the pinned release',
        injected: 'A PATH without smolvm, a double that reports other versions, a release with another hash',
        expected:
          '78 with the version that is needed; a release with another hash is neither unpacked nor run (76)',
        tests: {
          'cli/pack.docker.test.ts': [
            'what smolvm does wrong is told, and nothing is left > version 1.8.3',
            'what smolvm does wrong is told, and nothing is left > a smolvm that is not there',
          ],
          'action/smolvm-release.test.ts': [
            'what is not the pinned release > is neither unpacked nor run, and the error shows both hashes',
            'a release with the right hash > is refused when its smolvm says another version',
          ],
          'action/smolvm-wheel.test.ts': [
            'smolvm from a package index > with another hash is not unpacked, and both hashes are named',
          ],
        },
      },
      {
        situation: 'smolvm fails, crashes or hangs',
        injected: 'The double of smolvm with an exit code, a SIGSEGV, or a hang',
        expected: '1 with its last words; its half-written output is removed',
        tests: {
          'cli/pack.docker.test.ts': [
            'what smolvm does wrong is told, and nothing is left > exit-1',
            'what smolvm does wrong is told, and nothing is left > segfault',
            'what smolvm does wrong is told, and nothing is left > die-mid-sidecar',
          ],
          'cli/faults.docker.test.ts': ['a smolvm that hangs is ended when its time is over'],
        },
      },
      {
        situation: 'smolvm succeeds without a sidecar, or with an empty or a damaged one',
        injected:
          'The double of smolvm writes nothing, its stub alone, an empty file, or a file with a wrong checksum',
        expected: '1, or 65 for the damaged one; nothing gets into the store',
        tests: {
          'cli/pack.docker.test.ts': [
            'what smolvm does wrong is told, and nothing is left > no-output',
            'what smolvm does wrong is told, and nothing is left > only-stub',
            'what smolvm does wrong is told, and nothing is left > empty-output',
            'what smolvm does wrong is told, and nothing is left > corrupt-sidecar',
          ],
        },
      },
      {
        situation: 'The process is killed while it packs, and run again',
        injected:
          'SIGKILL at 27 moments of whole runs of both packers, and at more of them by `npm run storm`',
        expected: 'No half file has a final name; the next run succeeds and removes what was left',
        tests: {
          'storm/pack.docker.test.ts': [
            'a pack %s that is killed at any moment is cleaned up and completed by the next one',
          ],
          'action/cancel.docker.test.ts': [
            'a job cancelled during the pack > by SIGKILL leaves nothing behind',
          ],
        },
      },
      {
        situation: 'The disk of the store or of TMPDIR is full, or has no inodes',
        injected: 'RAM disks that are too small, that run out of inodes, or that fill while the run goes on',
        expected:
          '73 before time is wasted, or as soon as it happens (1 when smolvm reports it); nothing left behind',
        tests: {
          'cli/faults.docker.test.ts': [
            'a full disk (mounting one needs root) > %s with %s ends the run before it wastes time',
            'a full disk (mounting one needs root) > tmp that fills while the image is flattened ends the run',
            'a full disk (mounting one needs root) > store that fills while smolvm packs ends the run',
          ],
        },
      },
    ],
  },
  {
    title: 'Verification of a sidecar',
    rows: [
      {
        situation: 'A byte of the assets, the manifest or the footer is wrong',
        injected: 'Single bits and bytes flipped anywhere, and each field of the footer changed',
        expected: '65 with the part that is damaged',
        tests: {
          'sidecar/verify.test.ts': [
            'damage > of the footer is named: %s',
            'damage > of the checksum is found',
            'damage > of one bit of the %s is found',
            'damage > of any single byte is found',
          ],
        },
      },
      {
        situation: 'The file is too short, too long, or has a gap before its footer',
        injected: 'Cut by 1, 63 and 64 bytes and by half; one byte added; 512 zeros before the footer',
        expected: '65',
        tests: {
          'sidecar/verify.test.ts': [
            'damage > by truncation is found: %s bytes less',
            'damage > by a byte too many, or a gap before the footer, is found',
          ],
        },
      },
      {
        situation:
          'The manifest is too large, not JSON, incomplete, out of range, or asks for more than a packed agent may have',
        injected:
          'Rewritten manifests with a right checksum: no network, no GPU and no secrets are allowed in one',
        expected: '65 with the field',
        tests: {
          'sidecar/verify.test.ts': [
            'damage > of the footer is named: manifest_size',
            'a manifest > without %s is damage',
            'a manifest > that is %s is damage (%#)',
            'a manifest > with %s %j is damage',
            'a manifest > with %s %j is refused',
            'a manifest > or a file other than the expected one is damage: %j',
            'a manifest > of another platform than the expected one is refused',
          ],
        },
      },
      {
        situation: 'The frame index or the seek table is wrong, and all checksums are right',
        injected: 'An index with another hash, another size, or other frames; a seek table with other sizes',
        expected: '65 from `verify --deep` with the frame; a download never trusts either of them',
        tests: {
          'cli/verify-frames.test.ts': [
            'an index with %s is wrong, which only --deep sees',
            'an index that is not JSON is wrong',
            'a record that names another index is wrong, beside a file and in the store',
            'a seek table that is wrong in %s is wrong, though all checksums are right',
          ],
          'fetch/delta.test.ts': [
            'an index of other frames leads to the whole file, and costs one more download at most',
          ],
        },
      },
      {
        situation: 'The layers of an image do not name the directories of its files, or it has no time',
        injected: 'Such images, which an engine unpacks at two times',
        expected: 'The same bytes: a directory that the engine has made has the time of the image',
        tests: {
          'pack/direct.docker.test.ts': [
            'packs the same bytes of an image with %s, whenever an engine has made the directories that its layers do not name',
          ],
        },
      },
      {
        situation: 'The assets are a zstd bomb, or hold names that lead out',
        injected: 'Generated archives with right checksums, some of which unpack to gigabytes',
        expected: '65 from `verify --deep`, within 100 MB of memory',
        tests: {
          'sidecar/assets.test.ts': [
            'stops at a bomb within bounded memory',
            'stops at endless zeros behind the end of the archive',
            'refuses %s in the assets, though footer and checksum are right',
            'refuses a layer whose entry leads out of it: %s %s',
          ],
        },
      },
    ],
  },
];
