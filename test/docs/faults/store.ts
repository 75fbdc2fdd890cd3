import type { Chapter } from './row.ts';

export const STORE: readonly Chapter[] = [
  {
    title: 'The store',
    rows: [
      {
        situation:
          'The store is writable for others, belongs to another user, or its private directory is a link',
        injected: 'Directories with mode 777, another owner, and a symbolic link',
        expected: '78, and nothing is written through the link',
        tests: {
          'cli/fetch.test.ts': ['a fetch that is refused > a store that others can write to ends with 78'],
          'store/store.test.ts': ['a store that others could change is refused'],
          'store/faults.test.ts': [
            'a store of another user is refused',
            'a store whose private directory is a link elsewhere is not written to',
          ],
        },
      },
      {
        situation: 'A link, a directory, a FIFO or a half file is in the place of a sidecar',
        injected: 'Each of them under the name that claude-bottle looks for',
        expected: 'Moved to quarantine with a warning and replaced; a FIFO is not waited for',
        tests: {
          'store/bind.test.ts': ['%s under the name goes to quarantine, and the name is bound'],
          'store/store.test.ts': [
            'installing replaces a link, a directory and an open file without writing through them',
          ],
          'sidecar/verify.test.ts': [
            'damage > is what a link, a directory or a pipe in its place is, and the pipe is not waited for',
          ],
        },
      },
      {
        situation: 'The user is not root, who may write to read-only files',
        injected: 'Every command on one store, run as nobody, beside a double of docker',
        expected: 'Each ends with 0',
        tests: { 'cli/ordinary-user.test.ts': ['an ordinary user can use every verb of a store'] },
      },
      {
        situation: 'The store is read-only',
        injected: 'A RAM disk that is mounted again without write access',
        expected: 'A hit is served without a write; everything else ends with 73',
        tests: {
          'store/faults.test.ts': [
            'a read-only store gives what it has; everything else says that it cannot write',
          ],
        },
      },
      {
        situation: 'The store spans two file systems, has an odd name, a strict umask, or no home directory',
        injected: 'A mount inside the store, names with blanks and other scripts, umask 000 and 077, no HOME',
        expected: 'Names are copies, files have mode 0444 and directories 0700; without a home 78',
        tests: {
          'store/faults.test.ts': [
            'a store over two file systems names a sidecar by copying it',
            'with umask %o files are 0444 and directories 0700, exactly',
            'without HOME and without an entry for the user there is no default store',
            'a store in a directory named with %s works',
          ],
        },
      },
      {
        situation:
          'The file system has no links, no modes or no reflinks, or does not tell capital letters apart',
        injected: 'Loop devices with ext4, xfs, btrfs, NTFS and exFAT',
        expected: 'All commands work, but for a store on exFAT, which ends with 73; an export to exFAT works',
        tests: {
          'cli/file-systems.test.ts': [
            'a store on a file system > %s takes a sidecar and an update, serves, checks and prunes them',
            'a store on a file system > that has no links is refused with what to do, and keeps nothing',
            'an export > to a stick without modes and links (exFAT) is fetched from there',
          ],
        },
      },
      {
        situation: 'The disk that a sidecar is exported to is full, read-only, or has no inodes',
        injected: 'RAM disks of each kind',
        expected: '73, and nothing is left on it',
        tests: {
          'cli/file-systems.test.ts': ['an export > to a disk that %s ends with 73, and leaves nothing'],
        },
      },
      {
        situation: 'The store is from version 0.1, which did not note who its sidecars came from',
        injected: 'Stores as that version has left them, with a signed and with an unsigned sidecar',
        expected:
          'The files stay; they are served after `bind --adopt` or a fetch that verifies them, and not to a fork',
        tests: {
          'cli/old-store.test.ts': [
            'a store of version 0.1 > keeps its files, says once that their origin is unknown, and serves what the user adopts',
            'a store of version 0.1 > serves a signed sidecar to its own repository, without a network, once fetch has verified it',
            'a store of version 0.1 > gives a sidecar that is fetched again its origin, and moves no byte of it',
            'a store of version 0.1 > adopts nothing for a repository that signs',
          ],
        },
      },
      {
        situation: 'claude-bottle packs the image itself while the sidecar is fetched',
        injected: 'Its sidecar under the name, before the name is bound',
        expected: 'It is kept, and the command says so',
        tests: {
          'cli/fetch.docker.test.ts': ['a sidecar that claude-bottle has packed itself stays'],
          'store/bind.test.ts': ['what was packed here and what claude-bottle itself has packed stays'],
        },
      },
    ],
  },
  {
    title: 'Prune',
    rows: [
      {
        situation: 'A machine of smolvm needs the sidecar, or it is being downloaded',
        injected: 'A database of smolvm that mentions it, also cut by a page; a lock of a living process',
        expected: 'The sidecar is kept, and the reason is told',
        tests: {
          'store/prune.test.ts': [
            'a sidecar that a database of smolvm mentions by its name or its hash stays',
            'a record of a machine that is %s is seen',
            'what is being downloaded stays, and lies there again when the process has ended',
          ],
        },
      },
      {
        situation: 'Another process reads the sidecar',
        injected: 'An open file while the sidecar is pruned',
        expected: 'The sidecar goes, and its reader reads it to the end',
        tests: { 'store/prune.test.ts': ['a sidecar that is being read can go, and is read to its end'] },
      },
      {
        situation:
          "Foreign files, links out of the store, and a living process's part of a download are in it",
        injected: 'Each of them, beside sidecars that are old enough',
        expected: 'They are not touched',
        tests: {
          'store/prune.test.ts': ['what is not a sidecar of ours or of claude-bottle is not touched'],
        },
      },
      {
        situation: 'Files are from 1970 or from the future, or the clock was set back',
        injected: 'Times of files and of the clock',
        expected: 'No mass deletion; a dry run tells what the real run does',
        tests: {
          'store/prune.test.ts': ['no time that a file has, and none in the future, removes anything'],
        },
      },
      {
        situation: 'Prune is killed, or runs twice at once',
        injected: 'SIGKILL before each call that changes a file; three prunes together',
        expected: 'The next one completes it; each sidecar is removed once, and none fails',
        tests: {
          'store/faults.test.ts': [
            'a prune that is killed at any moment leaves no bad file under a name, and can be done again',
          ],
          'storm/prune.test.ts': [
            'a prune that is killed at any moment is completed by the next one, and removes nothing else',
          ],
          'store/prune.test.ts': ['two prunes at once remove each thing once, and neither fails'],
        },
      },
    ],
  },
];
