import type { Chapter } from './row.ts';

export const ATTACKS: readonly Chapter[] = [
  {
    title: 'Attacks that worked on an earlier version',
    rows: [
      {
        situation: 'A cloned repository holds a bare repository whose settings start a program',
        injected: 'Every command in its subdirectory, with GH_TOKEN set',
        expected: 'No program of the checkout runs',
        tests: {
          'git/hostile.test.ts': [
            'no verb has a program run that the checkout chose',
            'the same checkouts do run their programs when git is asked as usual',
          ],
        },
      },
      {
        situation: 'A checkout that came as an archive has settings, hooks and filters that start programs',
        injected:
          'Every command in a checkout with fsmonitor, pagers, filters, hooks, ssh commands and signature programs',
        expected: 'No program of the checkout runs; one module alone starts git',
        tests: {
          'git/hostile.test.ts': [
            'no verb has a program run that the checkout chose',
            'no other part of the product starts git',
          ],
        },
      },
      {
        situation: 'A fork with the same files replaces the signed sidecar by its own',
        injected: 'A fetch of the unsigned sidecar in a checkout of the fork',
        expected: 'The name keeps the signed one; 76 where a signature is required',
        tests: {
          'cli/attacks.test.ts': [
            'a sidecar that came from someone else > of a fork with the same files does not take the name of the signed one',
          ],
        },
      },
      {
        situation: 'Two repositories with the same files use one store, in any order of commands',
        injected: 'Generated orders of fetch, bind, path, pack, exec and export in two checkouts',
        expected: 'Each gets its own sidecars, and those that were packed on this machine',
        tests: {
          'cli/origins.property.test.ts': [
            'two repositories with the same files share a store, and in no order of commands their sidecars',
          ],
        },
      },
      {
        situation: 'A record without a repository is served to every repository',
        injected: 'Such a sidecar, dated 2099, fetched elsewhere on the same machine',
        expected: 'A repository that signs gets its own sidecar',
        tests: {
          'cli/attacks.test.ts': [
            'a sidecar that came from someone else > and says nothing of where it was packed is not served to a repository that signs',
          ],
        },
      },
      {
        situation: 'A record claims a repository, in a directory without a remote',
        injected: 'A fetch of it, with the image ID of this machine and with that of CI',
        expected: "The repository's own sidecar keeps its name",
        tests: {
          'cli/attacks.test.ts': [
            'a sidecar that came from someone else > is not taken for the repository that its record names in a directory without a remote',
          ],
        },
      },
      {
        situation: 'A repository of the same name on another server passes for the one on github.com',
        injected: 'A checkout whose remote is that server',
        expected: 'The two are kept apart in both directions',
        tests: {
          'cli/attacks.test.ts': [
            'a sidecar that came from someone else > of a repository of the same name on another server is another one',
          ],
        },
      },
      {
        situation: "A stranger's record claims the local image ID and takes its name",
        injected: 'A fetch of it before the good sidecar is fetched',
        expected: 'It gets no name; the good sidecar is bound',
        tests: {
          'cli/attacks.test.ts': [
            'a record that claims an image > gets no name by it, so that the good sidecar still takes its place',
          ],
        },
      },
      {
        situation: 'A claimed image ID makes `pack` find a sidecar of other inputs',
        injected: 'A record with the local image ID and another inputs key',
        expected: 'It is not a hit',
        tests: {
          'cli/attacks.test.ts': [
            'a record that claims an image > is not a hit for pack, which would have packed another key',
          ],
        },
      },
      {
        situation: 'A slow server finishes after another sidecar has been bound',
        injected: 'A download that is held back until the good sidecar is bound',
        expected: 'The binding stays',
        tests: {
          'cli/attacks.test.ts': [
            'a record that claims an image > overwrites nothing that was bound while it was still on its way',
          ],
        },
      },
      {
        situation: "A record claims the public image ID of someone's CI and blocks their fetch",
        injected: 'Such a sidecar, fetched before that of CI',
        expected: 'The sidecar of CI is fetched and bound',
        tests: {
          'cli/attacks.test.ts': [
            'a record that claims an image > of CI does not keep the sidecar of CI away',
          ],
        },
      },
      {
        situation: 'An older signed run is offered over another ref',
        injected: 'Run 100 of a tag after run 9000 of a branch, for the same inputs',
        expected: '76 with both runs',
        tests: {
          'cli/attacks.test.ts': [
            'an older run > is older over all refs: one of a tag does not follow one of a branch',
          ],
        },
      },
      {
        situation: 'A branch is named like a tag, so that its artifacts pass for those of the tag',
        injected: 'A run for such a branch whose commit is not that of the tag',
        expected: 'Passed over, or 76 where the run is named; nothing is downloaded',
        tests: {
          'fetch/workflow-artifact.test.ts': [
            'the run of an artifact > is refused when it is of a branch that has the name of a tag, with no download (annotated: %s)',
          ],
        },
      },
      {
        situation: 'The lock file of a pull request names any address',
        injected:
          'Files, local servers, queries, other repositories and other registries in claude-bottle.lock',
        expected: '76, and nobody is asked',
        tests: {
          'cli/attacks.test.ts': [
            'what is beside a checkout or a file > a lock file that names %s is refused, and nobody is asked',
          ],
        },
      },
      {
        situation: '`lock` writes through a symbolic link of the checkout',
        injected: 'Links under every likely temporary name, to a file of the user',
        expected: "The user's file is untouched",
        tests: {
          'cli/attacks.test.ts': [
            'what is beside a checkout or a file > a link where lock would write its file, or a temporary one, leads nowhere',
          ],
        },
      },
      {
        situation: 'A forged entry of the runner cache is published as the work of a trusted run',
        injected: 'A restored entry in a later run, whose artifacts are then listed',
        expected: 'The record keeps the run that packed it, and the sidecar is not uploaded again',
        tests: {
          'action/warm.docker.test.ts': [
            'a run with unchanged inputs > moves no sidecar, and names the artifact of the run that packed it',
            'an image that other inputs have made as well is offered by its pack record, as the work of the run that packed it',
          ],
        },
      },
      {
        situation: 'Another local user reads the image from the embedded hop, or writes to it',
        injected: 'Requests of other users to its port; lists, uploads and deletions',
        expected: 'Only our own user and the users of virtual machines get an answer; nothing can be changed',
        tests: {
          'pack/hop.test.ts': [
            'what it refuses > answers no other user than ours and those of VMs',
            'what it refuses > %s changes nothing',
            'what it refuses > answers %s with %i %s',
          ],
        },
      },
      {
        situation: 'The container hop lets other local users read the image',
        injected: 'Requests of other users to its loopback port',
        expected: 'Documented: packing with `hop: container` has this window',
        untested:
          'It is not prevented. SECURITY.md names it under "What is not promised"; other networks and containers are kept out, which is tested.',
      },
      {
        situation: 'Texts from others steer the terminal or forge a line of ours',
        injected: 'C0, C1, bidirectional and invisible characters in file names, answers, errors and results',
        expected: 'They are shown as text, also in the log, the annotations and the summary of the action',
        tests: {
          'cli/shown-text.test.ts': [
            'the command line > shows file names, results and errors as text',
            'the command line > shows what a server says as text',
            'the action > shows %s as text in log, annotation and summary',
            'what is shown of any text steers nothing, and JSON of it stays the same JSON',
          ],
        },
      },
      {
        situation: 'A pattern in `.dockerignore` or a Dockerfile takes endless time',
        injected: 'Patterns with a hundred stars, long directives, and thousands of slow patterns',
        expected: 'They end, and signals are still answered',
        tests: {
          'context/glob.test.ts': [
            'the pattern %s... ends',
            'a Dockerfile with %s is read to its end',
            'signals are answered while a context is scanned',
          ],
          'git/hostile.test.ts': ['a signal ends key while git is busy with the patterns of the checkout'],
        },
      },
      {
        situation: 'The password for a local registry goes through HTTP_PROXY',
        injected: 'HTTP_PROXY and HTTPS_PROXY, with servers on loopback addresses',
        expected: 'Loopback is always asked directly',
        tests: {
          'remote/http.test.ts': ['a proxy > is left out for this machine, with TLS and without'],
          'remote/proxy.test.ts': ['%s with %j goes by way of %s'],
        },
      },
      {
        situation: 'GH_TOKEN goes to a *.ghe.com server that only the remote of the checkout names',
        injected: 'Remotes on such servers, with all token variables set',
        expected: 'No token is sent until the user names the server',
        tests: {
          'remote/github.test.ts': [
            'the token > is not given to a server that only the checkout names',
            'the token > that is given is refused for such a server, until the user names it',
          ],
        },
      },
      {
        situation: 'The lock file, a record or a signature is a link to an endless device',
        injected: 'Links to /dev/zero in their places, and in those of the Dockerfile and .dockerignore',
        expected: 'Refused unread (64 or 65)',
        tests: {
          'cli/odd-contexts.test.ts': [
            'a lock file that is a link to an endless device is not read',
            'a %s that is a link to an endless device is not read',
            'a %s beside a sidecar that is a link to an endless device is not read',
          ],
        },
      },
      {
        situation: 'Another user makes the directory of an owner link that a killed run left in /var/tmp',
        injected: 'Such a directory, owned by another user, beside the link',
        expected: 'The link is removed, and the directory decides nothing',
        tests: {
          'cli/machines.test.ts': [
            "another user's directory in the place of ours loses our link, and decides nothing",
          ],
        },
      },
      {
        situation: 'NODE_TLS_REJECT_UNAUTHORIZED=0 switches the check of certificates off',
        injected: 'The variable, with a server that signed its own certificate',
        expected: 'The connection is refused anyway (69)',
        tests: {
          'remote/http.test.ts': ['HTTPS > is checked, whatever NODE_TLS_REJECT_UNAUTHORIZED says'],
        },
      },
      {
        situation: 'A server sends one byte after the other and holds the command for hours',
        injected: 'Servers that do so with a short text, a file, and the head of an answer',
        expected: 'Given up as too slow (69)',
        tests: {
          'remote/http.test.ts': [
            'a slow server > that sends a short text byte by byte is given up after three tries',
            'a slow server > that sends a file byte by byte is given up, though it goes on',
            'a slow server > that sends the head of its answer byte by byte is given up',
          ],
        },
      },
      {
        situation: 'A record holds 100,000 nested arrays',
        injected: 'Such a record beside a sidecar',
        expected: '65 before anything is downloaded',
        tests: {
          'cli/attacks.test.ts': [
            'what is beside a checkout or a file > a record that is nested too deeply is refused before anything is downloaded',
          ],
          'identity/json.test.ts': ['JSON of 100,000 levels of %s is refused'],
        },
      },
      {
        situation:
          '`verify` passes an unsigned file of a repository that signs, or leaves such a sidecar under its name',
        injected: 'An unsigned file, and a signature that is removed from the store',
        expected: '76, and `verify --all` removes the name',
        tests: {
          'cli/attacks.test.ts': [
            'what is beside a checkout or a file > an unsigned file of a repository that signs is not verified as good',
          ],
          'cli/verify.test.ts': [
            'what is in the store > without a signature is not accepted of a repository that signs, and is of others',
          ],
        },
      },
      {
        situation: 'A path with a component of over 255 characters ends as an internal error',
        injected: 'Such paths for each option and input that takes one',
        expected: '64 with the limit',
        tests: {
          'cli/odd-contexts.test.ts': ['a name that is too long is an error of its user: %s'],
          'action/inputs.test.ts': ['inputs that cannot be > %s: %j is refused with what is allowed'],
        },
      },
      {
        situation: 'buildx asks git which commit a hostile build context is of',
        injected:
          'A docker command that asks git as buildx does, in a nested repository that lacks its commit',
        expected: 'It is told not to ask, whatever BUILDX_GIT_LABELS says',
        tests: { 'git/hostile.test.ts': ['no docker build has buildx ask git about the checkout'] },
      },
      {
        situation: 'PATH has the working directory, which holds a git, a docker, a gh, an ssh and a smolvm',
        injected: 'Every command with such a PATH, with nothing but it, and with an empty one',
        expected: 'Programs are looked for in absolute directories only',
        tests: {
          'git/hostile.test.ts': [
            'a program in the checkout is not run because PATH has the working directory',
          ],
        },
      },
      {
        situation: "The workspace holds Python modules named like those that the action's pip needs",
        injected: 'Modules that leave a mark, in the directory that the action works in',
        expected: 'None of them is loaded',
        tests: {
          'action/smolvm-wheel.test.ts': [
            'smolvm from a package index > is set up by no module that is in the workspace',
          ],
        },
      },
      {
        situation: 'A forged pack record in the runner cache has code or a path in the place of a version',
        injected: 'Such records under the inputs key, of which nothing but the record is restored',
        expected: 'Not used: neither an output nor the name of a file has anything of it',
        tests: {
          'action/cache-faults.docker.test.ts': [
            'a pack record under the inputs key with another %s is not believed',
          ],
        },
      },
      {
        situation:
          'A server sends without end where a short answer is expected, or a byte in each connection',
        injected:
          "Endless answers of GitHub's API and of a registry; a download that breaks off after each byte",
        expected: '76, 65 or 69, with memory and requests bounded',
        tests: {
          'cli/attacks.test.ts': [
            'an answer without an end > about the name of a repository is not read',
            'an answer without an end > in the place of a sidecar without a record is not read',
          ],
          'fetch/download.test.ts': [
            'a download > gives up on a server that sends a byte in each connection',
          ],
          'remote/http.test.ts': ['a slow server > that lets a TLS handshake come byte by byte is given up'],
        },
      },
      {
        situation:
          'A record holds half a character, or a number that no computer holds, so that it has no digest',
        injected: 'Such a record beside a signature; a lock file with such a tag',
        expected: '65 before the download, and 76 for the lock file',
        tests: {
          'cli/attacks.test.ts': [
            'what is beside a checkout or a file > a record with %s is refused before anything is downloaded',
            'what is beside a checkout or a file > a lock file that names %s is refused, and nobody is asked',
          ],
        },
      },
      {
        situation:
          'A sidecar of a few kilobytes has a hole of many terabytes, or endless frames without content',
        injected: 'A sparse entry in the layer, and frames without end',
        expected: '65 for more than smolvm unpacks; a signal ends the reading',
        tests: {
          'cli/diff.test.ts': ['refuses a sidecar whose files have more bytes than any machine, in a few'],
          'sidecar/assets.test.ts': ['stops when it is told to in frames without content, and in a hole'],
        },
      },
      {
        situation: 'Everybody may rename what is in a directory above the store',
        injected: 'A store below a directory of mode 777, and below one with the sticky bit',
        expected: '78 for the first, because anybody could exchange the store',
        tests: {
          'store/store.test.ts': ['a store below a directory in which everybody may rename it is refused'],
        },
      },
    ],
  },
];
