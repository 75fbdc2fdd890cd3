import type { Chapter } from './row.ts';

export const RUNNER: readonly Chapter[] = [
  {
    title: 'The action on a runner: weak points that were found',
    rows: [
      {
        situation: 'A job is cancelled during the upload',
        injected: "The runner's sequence of signals during a slow upload",
        expected: 'Everything is removed within the 7.5 seconds before SIGTERM',
        tests: {
          'action/cancel.docker.test.ts': [
            'a job cancelled during the upload > by SIGINT leaves nothing behind',
          ],
        },
      },
      {
        situation: 'A job is cancelled while the machine is overloaded',
        injected: 'Hundreds of processes and busy processors during the cancellation',
        expected: 'The clean-up still ends within 7.5 seconds',
        untested:
          'A test may not depend on the speed of its machine. The environments of all processes are read at once to keep the time short.',
      },
      {
        situation: '`context` or `file` has a component of over 255 characters',
        injected: 'Such inputs, also with characters of two bytes',
        expected: 'A usage error with the limit',
        tests: {
          'action/inputs.test.ts': ['inputs that cannot be > %s: %j is refused with what is allowed'],
        },
      },
      {
        situation: 'A hit that needs no Docker is followed by a warning of the post step about Docker',
        injected: 'A run whose inputs are in the cache, beside a docker command that notes its calls',
        expected: 'Docker is not called, also not by the post step',
        tests: {
          'action/action.docker.test.ts': [
            'the action, with blobs in fs > packs and uploads, and then takes the sidecar by its image ID, and by its inputs key without any build',
          ],
        },
      },
      {
        situation: 'The link to a good cache entry has expired',
        injected: 'A download that answers 403',
        expected: 'A warning that does not blame the entry unless every run says so',
        tests: {
          'action/cache-faults.docker.test.ts': [
            'a runner cache that fails > and refuses the download is only a warning',
          ],
        },
      },
      {
        situation: 'RUNNER_TEMP has a blank or a quotation mark in its name',
        injected: 'Such a directory, in two runs',
        expected: 'The entry is saved and found, without a warning',
        tests: {
          'action/action.docker.test.ts': [
            'the action > keeps its cache where RUNNER_TEMP has a blank or a quotation mark in its name',
          ],
        },
      },
      {
        situation: 'The upload cannot work: no token, a wrong one, or a server of the enterprise',
        injected: 'Each of these environments',
        expected: 'The step fails before Docker is called',
        tests: {
          'action/upload-faults.docker.test.ts': [
            'an upload that the service > cannot be asked for, %s, fails the step before anything is packed',
          ],
        },
      },
      {
        situation: 'Two runs on one engine remove the same container',
        injected: 'A docker command that says "removal is already in progress"',
        expected: 'Taken for removed, without a warning',
        tests: {
          'action/action.docker.test.ts': [
            'the action > takes a container that another run is removing for removed',
          ],
        },
      },
      {
        situation: 'A refused value of `image` or `oci-ref` is very long',
        injected: 'Values of 100 kB',
        expected: 'The error quotes no more than the beginning',
        tests: {
          'action/inputs.test.ts': ['inputs that cannot be > an input %s of 100 kB is not quoted whole'],
        },
      },
      {
        situation: 'The engine over SSH is not reachable',
        injected: 'DOCKER_HOST=ssh:// at a port where nobody listens',
        expected: '`docker-unreachable`, and a post step that succeeds',
        tests: { 'action/action.docker.test.ts': ['what fails > no daemon over SSH: with one thing to do'] },
      },
      {
        situation: 'The job gets SIGKILL while its directory in RUNNER_TEMP is still empty',
        injected: 'SIGKILL in each stage, followed by the post step',
        expected: 'No empty directory is left',
        tests: {
          'action/cancel.docker.test.ts': [
            'a job cancelled during the %s > by SIGKILL leaves nothing behind',
          ],
        },
      },
      {
        situation: 'The upload is refused without a body',
        injected: 'A 403 with an empty body',
        expected: 'The error has the status',
        tests: {
          'action/upload-faults.docker.test.ts': [
            'an upload that the service > refuses without a word fails the step with the status',
          ],
        },
      },
      {
        situation: 'RUNNER_TEMP is full or not writable',
        injected: 'A directory where nobody can make a file, and the error of a full disk',
        expected: 'The hint names RUNNER_TEMP, and no variable that the runner ignores',
        tests: {
          'action/results.test.ts': [
            'a RUNNER_TEMP that takes no files is named in the hint',
            'a full RUNNER_TEMP is named in the hint wherever it was found, and TMPDIR only where it counts',
          ],
        },
      },
      {
        situation: "A hit by the image ID has other layers or another runtime config than the engine's image",
        injected: 'Entries whose record differs in one of them',
        expected: 'Not used: the image is packed again, with a warning',
        tests: {
          'action/cache-faults.docker.test.ts': [
            'an entry of the runner cache > with a sidecar of other layers is not used: the image is packed and saved again',
            'an entry of the runner cache > with a sidecar of another runtime config is not used: the image is packed and saved again',
          ],
        },
      },
    ],
  },
  {
    title: 'The action on a runner: behavior to keep',
    rows: [
      {
        situation: 'The action runs in an independent emulation of the runner',
        injected: 'The program act, twice, and blobs in Azurite',
        expected: 'It packs and uploads, and then takes the sidecar from the cache',
        tests: {
          'action/act.docker.test.ts': [
            'act runs it twice: it packs and uploads, and then takes the sidecar from the cache',
          ],
          'action/action.docker.test.ts': [
            'the action, with blobs in azurite > packs and uploads, and then takes the sidecar by its image ID, and by its inputs key without any build',
          ],
        },
      },
      {
        situation: 'The job is cancelled or killed in any stage',
        injected: 'SIGINT, SIGTERM and SIGKILL in eight stages, through both hops',
        expected: 'Nothing is left behind after the post step',
        tests: {
          'action/cancel.docker.test.ts': ['a job cancelled during the %s > by %s leaves nothing behind'],
        },
      },
      {
        situation: 'A run by any event of GitHub asks for the cache, an upload or a publication',
        injected: 'Each event, with and without an OIDC token, a tag, and the inputs for the cache',
        expected: 'Events that people without write access can start may not; the reason is told',
        tests: {
          'action/trust.test.ts': [
            'what a run may do > a %s restores, saves and uploads',
            'what a run may do > the event %j neither saves nor uploads, not even when asked to cache',
            'what a run may do > $event publishes nothing, and says why',
          ],
        },
      },
      {
        situation:
          'An image has devices, FIFOs, hard links, long names, names in other scripts, and large user IDs',
        injected: 'A Debian image of over 500 MB with all of them, compared with a container entry by entry',
        expected:
          'The sidecar has the entries that a container sees; a warning names the attributes that smolvm does not keep',
        tests: {
          'pack/flatten.docker.test.ts': [
            'the real Debian image > is what the comparisons below are worth: large, of many layers, with every hard case',
            'the real Debian image > flattened has exactly the entries that a container sees, in constant memory',
            'an image of many layers, with one of everything that a copy may lose > packed through the %s hop is in the sidecar, but for what smolvm itself does not keep',
          ],
        },
      },
      {
        situation: 'HOME, TMPDIR, the checkout or the store has blanks, quotes or other scripts in its name',
        injected: 'Directories with such names, also with a line break',
        expected: 'They are names like others',
        tests: {
          'cli/odd-contexts.test.ts': [
            'odd names of the checkout, of HOME and of TMPDIR are names like others',
          ],
          'store/faults.test.ts': ['a store in a directory named with %s works'],
        },
      },
      {
        situation: 'Standard output is closed early, or its device is full',
        injected: 'A reader that takes one line, and /dev/full',
        expected: 'The work is completed; a result that cannot be written ends with 74',
        tests: {
          'cli/pack.docker.test.ts': ['pack > outlives the reader of its output, and leaves nothing'],
          'cli/cli.test.ts': [
            'a result that cannot be written is an error of its own, without a stack trace',
          ],
        },
      },
      {
        situation: 'The clock of the machine is a year off',
        injected: 'A clock one year early, and one year late',
        expected: 'A signature is judged by the time of its log or its stamp',
        tests: {
          'trust/verify.test.ts': [
            'a bundle of the workflow that is expected > is accepted when the clock of this machine is %i year off',
          ],
        },
      },
      {
        situation: 'The image changes, and the inputs key does not',
        injected:
          'Generated trees and Dockerfiles with changes, compared with the files that BuildKit copies',
        expected: 'The key changes with every file and setting that the build can see',
        tests: {
          'identity/inputs-key.property.test.ts': [
            'for any tree, the key is another > when a file has other content',
            'for any tree, the key is another > when something is no longer there',
            'for any tree, the key is another > with any other build arg',
          ],
          'context/dockerignore.docker.test.ts': [
            'the %s builder sends what we keep > with %j',
            'what BuildKit copies is what we take for visible > %s',
          ],
        },
      },
      {
        situation:
          'A signature of the second version of the transparency log comes with or without a time stamp',
        injected: 'Bundles of Rekor v2',
        expected: 'Accepted with a time stamp, refused without',
        untested:
          'The Sigstore double writes entries of the first version only. The real bundles in the suite are of the first version, too.',
      },
      {
        situation: 'A file in an image has a name that is not UTF-8; a layer is empty',
        injected:
          'An image of four entries with such a name and such a layer, packed and verified to its last entry',
        expected: 'All entries are in the sidecar',
        tests: {
          'cli/pack.docker.test.ts': [
            'pack > takes every entry of an image with an empty layer and a name that is not UTF-8',
          ],
        },
      },
      {
        situation: 'An image has no layers, or more than Docker makes',
        injected:
          'A Dockerfile without files, which the engine refuses to save; an image that names 300 layers',
        expected: 'Packed as an image of one layer',
        tests: {
          'cli/odd-images.docker.test.ts': [
            'an image without layers is packed',
            'an image of more layers than Docker itself makes is packed as one',
          ],
        },
      },
    ],
  },
];
