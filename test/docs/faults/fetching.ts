import type { Chapter } from './row.ts';

export const FETCHING: readonly Chapter[] = [
  {
    title: 'Finding a sidecar',
    rows: [
      {
        situation:
          'The index in the registry is missing, not JSON, too large, or of an unknown version; the registry fails',
        injected: 'Answers of a local registry and of a real one',
        expected:
          '66 when nothing is published, 69 when the registry fails, 65 with "update claude-bottle" for the rest',
        tests: {
          'remote/oci.test.ts': [
            'manifests > a registry in trouble is asked again, and given up with its answer',
            'manifests > %s is not a manifest',
            'manifests > a manifest without end is cut off',
          ],
          'fetch/oci-registry.docker.test.ts': ['what is not published is skipped with its whole name'],
          'cli/fetch.docker.test.ts': [
            'a miss says what each source lacks, and what differs from the nearest that is published',
          ],
        },
      },
      {
        situation: 'Nothing is published for these inputs, or not for this platform',
        injected:
          'A registry with one platform; a checkout whose files differ from those of the published commit',
        expected: '66 with what is there, the files that differ, and the command that packs here',
        tests: {
          'fetch/oci-registry.docker.test.ts': ['a platform that is not there is named, with those that are'],
          'cli/fetch.docker.test.ts': [
            'a miss says what each source lacks, and what differs from the nearest that is published',
          ],
        },
      },
      {
        situation:
          'The repository is private and the token is missing, bad, too weak, or wants single sign-on',
        injected: 'A double of GitHub with such tokens; a registry with logins',
        expected: '66 or 77 with GH_TOKEN or the page to authorize it; the token is in no message',
        tests: {
          'fetch/github-release.test.ts': [
            'the releases of a private repository > are skipped without a token, with the way to get there',
            'the releases of a private repository > end with the authentication error for a bad token, which is in no message',
          ],
          'fetch/workflow-artifact.test.ts': [
            'the API refuses > a bad token',
            'the API refuses > a token that may not read the repository',
            'the API refuses > a token that the organization wants authorized, and the page for it is told',
          ],
        },
      },
      {
        situation:
          'An older signed sidecar is offered, or one of a repository that was made again under the same name',
        injected: 'Signatures of earlier runs, other repository IDs and other owner IDs',
        expected: '76; `--allow-older` takes the older one',
        tests: {
          'cli/fetch.test.ts': ['provenance > of an older run is refused, unless it is asked for'],
          'trust/decide.test.ts': [
            'a rollback > to an older run for the same inputs is refused, whatever its ref',
            'a repository that was seen before > is pinned to its ID and to that of its owner',
          ],
        },
      },
      {
        situation: 'smolvm itself has pushed the sidecar, so that it has no pack record',
        injected: 'Such a sidecar of the image that is built here, and of another one',
        expected:
          'Bound to the image that it was packed from, where the user has named it; never where a signature is asked for',
        tests: {
          'fetch/pushed-sidecar.docker.test.ts': [
            'a sidecar without a pack record is bound to the image that it was packed from',
            'of another image it is stored, and bound only when the user says so',
            'it is not taken where a signature is asked for',
          ],
        },
      },
      {
        situation: 'A published sidecar is withdrawn by its maker',
        injected: 'A list of withdrawn sidecars in the index',
        expected: 'The sidecar is no longer fetched',
        untested:
          'The product has no such list. A maker deletes the tag or the release, and a sidecar that was fetched before stays until its user prunes it.',
      },
      {
        situation: 'There is no network, or `--offline` is set',
        injected: 'A proxy at a port where nobody listens; an empty store and a filled one',
        expected:
          '69 with each source that was asked; offline, the store answers alone: 0 for a hit, 66 for a miss',
        tests: {
          'cli/fetch.test.ts': [
            'without a network a fetch ends with 69 and says it of each source',
            'a first fetch that is offline says so and names the key',
            'a sidecar in a file is fetched once, and then found without a source',
          ],
        },
      },
    ],
  },
  {
    title: 'Download',
    rows: [
      {
        situation: 'The connection is cut, reset, stalled, slow, silent, or never made',
        injected: 'A fault server that does each of these, once or always',
        expected: 'Resumed where it broke off, or tried again; 69 when nothing arrives any more',
        tests: {
          'fetch/download.test.ts': [
            'a download > goes on where the connection broke off: $kind',
            'a download > is tried again: $kind',
            'a download > gets along with a slow server',
            'a download > fails in the end with the exit code for the network: %o, after %i requests',
            'a download > from a server that always breaks off and cannot resume fails in the end',
          ],
        },
      },
      {
        situation: 'The server ignores ranges, answers with a wrong one or 416, or the file has changed',
        injected: 'Wrong answers to the request that resumes',
        expected: 'The whole file is downloaded, and is right; 65 when it stays wrong',
        tests: {
          'fetch/download.test.ts': [
            'a range > that the server refuses or mistakes leads to the whole file: $kind',
            'a range > with wrong bytes is found by the SHA-256, and the whole is fetched once more: $kind',
            'a range > of a file that is always wrong ends',
            'an interrupted download > starts over when the file on the server is another one, and then may resume again',
          ],
        },
      },
      {
        situation: 'An update meets a damaged or missing older sidecar, or a server that lies about ranges',
        injected: 'Older sidecars that are damaged, pruned or cut off; wrong ranges, statuses and ETags',
        expected: 'Good frames are used; else the whole file is downloaded, said in one line',
        tests: {
          'fetch/delta.test.ts': [
            'of a damaged older sidecar, the frames that are good are used',
            'an older sidecar that is pruned before it is read costs nothing but its frames',
            'an index that cannot be had leads to the plain download, said in one line',
            'a server that lies about ranges leads to the plain download, said in one line: %o',
            'a file that changes on the server in the middle leads to the whole file',
          ],
          'storm/fetch.test.ts': [
            'an update that is killed at any moment is completed by the next one, which asks for nothing twice',
          ],
          'cli/update.test.ts': [
            'an update > whose frame index has %s is downloaded as a whole, which is said once',
            'an update > from a server whose answer to a range is %s is right in the end, which is said once',
            'an update > from a server that never has the right bytes is refused, and the next run asks for the changed ones alone',
            'an update > of an older sidecar that is damaged takes its good frames',
            'an update > of an older sidecar that is %s while it is read is right',
          ],
        },
      },
      {
        situation: 'A byte is flipped, or the answer is short, long, compressed, or a web page',
        injected: 'A fault server that does each of these',
        expected: '65 or 69 after one request; nothing is installed, and nothing is kept',
        tests: {
          'fetch/download.test.ts': [
            'what is not the promised file > is told by its SHA-256, with expected and found, and deleted',
            'what is not the promised file > ends the download: %o',
          ],
          'cli/fetch.test.ts': [
            'a fetch that is refused > a damaged sidecar ends with 65 and stores nothing',
          ],
        },
      },
      {
        situation: 'The server answers with an error status, with or without Retry-After',
        injected: '400 to 504, Retry-After in seconds, as a date, and as nonsense',
        expected:
          '401 and 403 end with 77, 404 and 410 with 66, the rest with 69; a long wait ends with 75 at once',
        tests: {
          'remote/http.test.ts': [
            'a status > %i is final, with exit code %i',
            'a status > %i is asked again',
            'a server that asks to be left alone > for a moment, %s, is left alone so long',
            'a server that asks to be left alone > for an hour, in %s, is asked once: try later',
            'a server that asks to be left alone > in words that mean nothing is asked again soon',
          ],
        },
      },
      {
        situation:
          'The server redirects to another host or port, in a loop, from https to http, or to a file',
        injected: 'Location headers of these kinds',
        expected: 'A credential is dropped at another origin; a loop and a forbidden scheme end with 69',
        tests: {
          'remote/http.test.ts': [
            'a redirect > to another port takes no credential along',
            'a redirect > to another name of the same server takes no credential along',
            'a redirect > in a loop is an error, and not tried again',
            'a redirect > to %s is refused',
            'HTTPS > is followed from one address to the next, and never back to HTTP',
          ],
        },
      },
      {
        situation: 'The process is killed or interrupted during the download',
        injected:
          'SIGKILL at bytes 1, 70,000, 1,500,000 and the last but one, and at any moment; SIGINT, SIGTERM, SIGHUP',
        expected: '130, 143 or 129; the next run asks for no more than the rest',
        tests: {
          'fetch/killed-download.test.ts': [
            'a download that is killed at byte %i is resumed there',
            'a kill at any moment, with several connections, loses nothing that was written',
          ],
          'cli/fetch-interrupted.test.ts': [
            'killed at 60 %, the next run asks for no more than the rest',
            '%s ends with %i, and the next run goes on where it ended',
          ],
          'storm/fetch.test.ts': ['a fetch that is killed at any moment is completed by the next one'],
        },
      },
      {
        situation: 'The user interrupts twice',
        injected: 'Two signals while smolvm packs; one handler serves the other commands, too',
        expected: 'The same signal within a second is one, another one ends the process at once',
        tests: {
          'cli/kill.docker.test.ts': [
            'signalled twice in the stage pack > within a second by the same signal, it leaves nothing',
            'signalled twice in the stage pack > by another signal, it ends at once, and the builder VM with it',
          ],
        },
      },
      {
        situation: 'The disk is too small, fills up, or has no inodes',
        injected: 'RAM disks of 2 MB, and with 40 inodes',
        expected: '73; the part that is there is kept for the next run, and no name appears',
        tests: {
          'fetch/download.test.ts': [
            'a disk that fills up ends it with the exit code for that, and the next run goes on',
          ],
          'store/faults.test.ts': ['a disk without inodes or space is named as such, and no name appears'],
        },
      },
      {
        situation: "The user's disk quota is used up, or the disk has a write error",
        injected: 'The calls of Node that finish a file fail with EDQUOT and with EIO',
        expected: '73 for the quota, 74 for the error; no name appears, and nothing is left behind',
        tests: {
          'store/faults.test.ts': [
            'a file that cannot be finished because of %s ends with %s, and gets no name',
          ],
        },
      },
      {
        situation: 'Twelve processes want the same sidecar; half of them are killed; the lock does not hold',
        injected: 'Twelve commands at once, six of which get SIGKILL; locks that are removed again and again',
        expected:
          'One download, every survivor has the sidecar; without locks several downloads, and no damage',
        tests: {
          'cli/fetch-interrupted.test.ts': [
            'twelve processes make one download, though half of them are killed',
          ],
          'store/download.test.ts': [
            'of twelve processes half are killed while they work: the others have it, and nothing is left',
            'without any locking several download, each into a part of its own, and nothing is damaged',
          ],
        },
      },
      {
        situation:
          'A lock is left by a dead process, a reused process ID, another boot or another machine, or is garbage',
        injected: 'Such locks, written by hand',
        expected: 'Taken over at once, or waited for with a message; 75 at the limit',
        tests: {
          'host/lock.test.ts': [
            'a lock %s is taken over at once',
            '%s in place of a lock is replaced at once',
            'a holder %s is waited for while it touches its lock, and given up when it is silent',
          ],
        },
      },
    ],
  },
  {
    title: 'Signatures',
    rows: [
      {
        situation: 'There is no signature, or it cannot be read',
        injected:
          'Sources without a bundle, with one that is refused (401, 403), and with one that is listed and gone',
        expected: '76 where one is required or was seen before; 77 or 76 for one that is kept from us',
        tests: {
          'trust/decide.test.ts': [
            'what is published without provenance > is refused in the mode required',
            'what is published without provenance > is refused from a repository that has signed before',
          ],
          'fetch/oci-registry.test.ts': ['a signature that is refused with %i is said to be one'],
          'fetch/plain-file.test.ts': [
            'a sidecar on any server > has no signature, or one that is kept from us, which is said as that',
          ],
          'publish/oci-registry.docker.test.ts': [
            'a bundle that is listed and cannot be read is not a missing one',
          ],
        },
      },
      {
        situation:
          "GitHub's attestation API answers without a bundle, or with a compressed one that is damaged",
        injected: 'Answers with `bundle: null`, and bad snappy data behind its link',
        expected: 'Refused within a bounded size',
        untested:
          'The product does not ask that API: the signature lies beside the sidecar in each source, and its size is bounded there.',
      },
      {
        situation:
          'The signature, its time, its certificate or its statement is not the one that was asked for',
        injected:
          'Signatures of a Sigstore double: forged, swapped, late, by other authorities, for other workflows',
        expected: '76 with the expected and the found value',
        tests: {
          'trust/verify.test.ts': [
            'a signature > %s is refused',
            'the time of a signature > %s is refused',
            'an identity > with the %s is refused',
            'a statement > %s is refused',
            'what should be a bundle > but is %s is refused',
          ],
        },
      },
      {
        situation: 'The authority is newer or older than the built-in trust roots',
        injected: 'A root whose authority was retired before, and one that does not know it',
        expected: '76 with the hint to update or to pass `--trusted-root`',
        tests: {
          'trust/verify.test.ts': [
            'the time of a signature > says what to do when the authority was retired before',
            'the time of a signature > says what to do when no root knows the authority',
          ],
          'trust/decide.test.ts': [
            'what is published with provenance > is verified with the roots that are built in, unless the user names another',
          ],
        },
      },
    ],
  },
];
