import type { Chapter } from './row.ts';

export const SITUATIONS: readonly Chapter[] = [
  {
    title: 'Public reports: tools and environment',
    rows: [
      {
        situation: 'smolvm 1.13 and later keep their guest from the loopback of the host',
        injected: 'The double of each version, and the real smolvm in a virtual machine',
        expected: 'Both hops pack; a smolvm that denies it all the same is explained',
        tests: {
          'cli/pack.docker.test.ts': ['what smolvm does wrong is told, and nothing is left > version 1.13.1'],
          'pack/smolvm.test.ts': [
            'pack create > gets a decided environment: private directories, this loopback, no proxy and no secret',
            'a failure of pack create > says what helps when the loopback of the host is denied',
          ],
          'vm/chain.vm.test.ts': ['smolvm 1.32.2 > embedded > packs a sidecar'],
        },
      },
      {
        situation: 'HTTPS_PROXY, HTTP_PROXY or ALL_PROXY is set while smolvm pulls from the hop',
        injected: 'All proxy variables in both cases of their letters',
        expected: 'None of them reaches smolvm',
        tests: {
          'pack/smolvm.test.ts': [
            'pack create > gets a decided environment: private directories, this loopback, no proxy and no secret',
          ],
        },
      },
      {
        situation: 'A proxy is set, and the registry is on the loopback, or the proxy does not work',
        injected: 'A proxy that notes its requests, refuses them, or never answers',
        expected:
          'Loopback is asked directly; an error names the proxy without its login, and NO_PROXY as the hint',
        tests: {
          'remote/http.test.ts': [
            'a proxy > is left out for this machine, with TLS and without',
            'a proxy > that %s is named in the error, without its login',
          ],
          'remote/proxy.test.ts': ['NO_PROXY=%s'],
        },
      },
      {
        situation: 'The user has no home directory and no entry in the list of users',
        injected: 'Such a user ID, and an empty environment',
        expected: 'Works where a store is named, else 78',
        tests: {
          'cli/machines.test.ts': [
            'a machine without the usual things > has a user without a name and without a home',
          ],
          'remote/registry-login.test.ts': [
            'without a home directory and without variables there is no login and no failure',
          ],
        },
      },
      {
        situation: 'The directory of the store is a link to another disk',
        injected: 'A symbolic link to a private directory, and to one that others can write to',
        expected: 'Followed where it is safe, else 78 with the reason',
        tests: {
          'cli/machines.test.ts': [
            'a machine without the usual things > has a store on another disk, behind a link of its user',
          ],
        },
      },
      {
        situation: 'The machine has 8 GiB of memory or less',
        injected: "4 GiB of memory; smolvm's words when its machine does not come up",
        expected: 'A warning with both sizes, and the hint after such a failure',
        tests: {
          'pack/smolvm.test.ts': [
            'a machine with less memory than the builder VM is named with both sizes',
            'a failure of pack create > says what helps when the machine does not boot',
          ],
        },
      },
      {
        situation: 'The terminal is dumb, or CI is set where there is a terminal',
        injected: 'A terminal with TERM=dumb, and with CI=true',
        expected: 'Plain lines without escape sequences',
        tests: { 'cli/progress.test.ts': ['a terminal with %s=%s gets the lines of none'] },
      },
      {
        situation: 'TMPDIR is missing, relative, or a file',
        injected: 'Each of them, for `pack`',
        expected: '73 with the directory and the variable to set',
        tests: { 'cli/odd-contexts.test.ts': ['a TMPDIR %s is named with what to do'] },
      },
      {
        situation: 'The working directory has been deleted',
        injected: 'A shell that removes it before it starts the command',
        expected: '66 with that cause, once',
        tests: {
          'cli/odd-contexts.test.ts': ['a working directory that was deleted is named as the cause'],
          'cli/machines.test.ts': ['a machine without the usual things > has lost its working directory'],
        },
      },
    ],
  },
  {
    title: 'Public reports: registries and logins',
    rows: [
      {
        situation: 'A registry sends for its token to another host, as a self-hosted GitLab does',
        injected: 'A challenge that names another host, with and without the permission of the user',
        expected: '77 with `--allow-token-host HOST`; with the option the login is used',
        tests: {
          'remote/oci.test.ts': [
            'authentication > a login is told to another host than the registry only when the user allows it',
          ],
        },
      },
      {
        situation: 'A challenge has an unquoted realm, or blanks around the equals sign',
        injected: 'Seven ways to write a challenge, and generated lists of challenges',
        expected: 'The token is fetched',
        tests: {
          'remote/oci.test.ts': ['authentication > a challenge with %s leads to the token'],
          'remote/challenge.test.ts': [
            'a challenge %s is read',
            'any list of challenges is read as it was meant',
          ],
        },
      },
      {
        situation: "Docker's file has an empty credential helper, or a helper that is not installed",
        injected: 'Such files, with a login in `auths`',
        expected: 'The login of the file is used',
        tests: {
          'remote/registry-login.test.ts': [
            'the login in the file counts > for a registry whose helper has an empty name',
            'the login in the file counts > when the store is not installed',
          ],
        },
      },
      {
        situation: 'The keys of `auths` end in a slash, or have a path',
        injected: 'Eighteen ways to write a host',
        expected: 'The login is found; that of a similar host is not taken',
        tests: {
          'remote/registry-login.test.ts': [
            'a login for %s is found in %j',
            'a login for %s is not that for %s',
          ],
        },
      },
      {
        situation: 'The user logged in with podman or skopeo alone, or by DOCKER_AUTH_CONFIG',
        injected:
          'REGISTRY_AUTH_FILE, the files below XDG_RUNTIME_DIR and XDG_CONFIG_HOME, and DOCKER_AUTH_CONFIG',
        expected: "These logins are used after Docker's own",
        tests: {
          'remote/registry-login.test.ts': [
            "podman's logins > are found by %s",
            "podman's logins > for %s are for what is below it",
            "podman's logins > come after those of docker: of DOCKER_AUTH_CONFIG, then of the file",
          ],
        },
      },
      {
        situation: 'A registry takes images only, and refuses the type of a sidecar',
        injected: 'A registry that answers 400 to such a manifest',
        expected: 'Found before anything is packed, with `oci-ref` as the way out',
        tests: {
          'action/publish.docker.test.ts': [
            'before anything is built > a registry that takes images only is found out',
          ],
        },
      },
      {
        situation: 'A storage link expires in the middle of a download',
        injected: 'A storage that answers 403 "Request has expired" to its first address',
        expected: 'The registry is asked for a new link',
        tests: { 'remote/oci.test.ts': ['a storage address that has expired is asked for once more'] },
      },
      {
        situation: 'The repository has a name that no registry takes',
        injected: 'A repository called `.github`, in the action and in `fetch`',
        expected: 'Named before the build, with `oci-ref` or `--from` as the way out',
        tests: {
          'action/publish.docker.test.ts': [
            'before anything is built > a repository whose name no registry takes is told to name another place',
          ],
          'fetch/oci-registry.test.ts': [
            'without a repository, or with a name that no registry takes, nothing is asked',
          ],
        },
      },
    ],
  },
  {
    title: 'Public reports: checkouts and git',
    rows: [
      {
        situation: 'A second clone has other line endings, because of core.autocrlf',
        injected: 'A clone with core.autocrlf=true',
        expected: 'The miss names the file and the setting',
        tests: {
          'cli/checkouts.test.ts': [
            'a miss names the file and its cause > line endings of core.autocrlf',
            'a miss names the file and its cause > line endings that .gitattributes asks for are no difference',
          ],
        },
      },
      {
        situation: 'A clone has pointers of Git LFS, is sparse, hides mode bits, or hides changes from git',
        injected: 'Clones with each of these settings',
        expected: 'The miss names the file, the cause and the command; `key` warns of pointers',
        tests: {
          'cli/checkouts.test.ts': [
            'a miss names the file and its cause > a pointer of Git LFS, of which key warns already',
            'a miss names the file and its cause > files of a sparse checkout',
            'a miss names the file and its cause > a mode bit that core.fileMode=false hides',
            'a miss names the file and its cause > what %s hides',
          ],
        },
      },
      {
        situation: 'Ignored files such as .env, .DS_Store and node_modules, or .git, are part of the build',
        injected: 'A Dockerfile with `COPY . .`, and a clone with such files',
        expected: '`key` and the miss name them, with the line for .dockerignore',
        tests: {
          'cli/checkouts.test.ts': [
            'a miss names the file and its cause > ignored, untracked and empty names, each once, of which key warns already',
            'a miss names the file and its cause > .git in the build context',
          ],
        },
      },
      {
        situation: 'A git hook exports GIT_DIR, GIT_INDEX_FILE or GIT_WORK_TREE of another repository',
        injected: 'These variables, and settings by environment',
        expected: 'The checkout itself is asked',
        tests: {
          'cli/checkouts.test.ts': [
            'a git that cannot answer is told from a checkout without a remote > what a hook exports is of another repository',
          ],
        },
      },
      {
        situation: 'The checkout belongs to another user',
        injected: 'A checkout with another owner, also by sudo',
        expected: "78 with git's words and the line for safe.directory",
        tests: {
          'cli/checkouts.test.ts': [
            'a git that cannot answer is told from a checkout without a remote > a checkout of another user',
          ],
        },
      },
      {
        situation: 'The remote is written in an unusual way',
        injected: 'Nineteen ways to write a remote on GitHub, and fourteen that name no repository',
        expected: 'The server and the repository are found, or there is none',
        tests: {
          'git/git.test.ts': ['the remote %s is %s %s', 'the remote %j names no repository'],
        },
      },
      {
        situation: 'The repository was renamed or transferred',
        injected: 'A remote with the old name; a record or a signature with the other name',
        expected: 'Followed when GitHub confirms the ID of the repository, else 76 with the command to type',
        tests: {
          'cli/renamed.test.ts': [
            'a repository that has another name now > because it was %s is followed when GitHub confirms that it is the same',
            'a repository that has another name now > is followed also when its sidecars were signed under the old name, and by another owner, before',
            'a repository that has another name now > is refused with the command to type when GitHub cannot be asked',
            'a repository that has another name now > is not believed when somebody else has the name, or when the signature is of another repository',
          ],
        },
      },
      {
        situation: 'gh keeps its login in the keyring, and GH_HOST names a server',
        injected: 'A gh that prints a token, fails, or prints half of one',
        expected: 'gh is asked for the server, without the tokens of the environment',
        tests: {
          'remote/github.test.ts': [
            'the login of gh > is asked for, also for a server that only the checkout names: the user has logged in there',
            'the login of gh > is asked for without the tokens of the environment, which gh would print for any host',
            'the login of gh > counts as none after: %s',
            'the token > is given to the server that GH_HOST names',
          ],
        },
      },
      {
        situation:
          'git is not installed, the .git file leads nowhere, the settings are broken, or the remote has another name',
        injected: 'Each of these checkouts',
        expected:
          '78 with the reason, 66 where there is no remote; the only remote is taken whatever its name',
        tests: {
          'cli/checkouts.test.ts': [
            'a git that cannot answer is told from a checkout without a remote > no git on PATH',
            'a git that cannot answer is told from a checkout without a remote > a .git file that leads nowhere, and settings that are broken',
            'a git that cannot answer is told from a checkout without a remote > no remote, and no checkout',
          ],
          'git/git.test.ts': ['the only remote counts under whatever name, and of several only origin'],
        },
      },
      {
        situation: 'Tags hold every character that git allows, and a commit has many of them',
        injected: 'Tags such as `@acme/agent@1.2.0`, `v1#b` and `é-1`; commits with 21 and 40 tags',
        expected: 'Legal tags are taken; each is asked for a release, and a limit is said',
        tests: {
          'git/git.test.ts': ['tags may have every character that git allows'],
          'identity/ref-name.test.ts': ['a name is a tag for us when it is one for git'],
          'action/inputs.test.ts': ['inputs that are given > name a tag as git takes it: %s'],
          'fetch/github-release.test.ts': [
            'the releases of a public repository > are found for every tag of a commit that has many, and what was not asked is said',
          ],
        },
      },
    ],
  },
  {
    title: 'Public reports: Docker and images',
    rows: [
      {
        situation: 'An image has links in the place of /etc and other directories, or its own hosts and mtab',
        injected: 'Images with such trees, and the listing of the flattened layer',
        expected: 'They are kept',
        tests: {
          'pack/flatten.docker.test.ts': [
            'an image of one file > keeps links in the place of directories that every container has, and its own files in them',
            'an image of one file > keeps its own hosts and mtab where its layers are read',
          ],
        },
      },
      {
        situation: 'An image has more files than a disk of smolvm has inodes',
        injected: 'An export of 200,000 files, and a layer of 1,900,000',
        expected:
          'A warning has both numbers and the disk that they need; the builder machine gets one that is large enough',
        tests: {
          'cli/odd-images.docker.test.ts': [
            'of more files than a small disk has inodes, both numbers are told, and the disk that they need',
          ],
          'pack/smolvm.test.ts': [
            'pack create > gets a disk that holds the bytes and the files of the layer',
            'pack create > is warned of where the disk cannot be made larger, with both numbers',
          ],
        },
      },
      {
        situation: 'Files of an image have extended attributes or access control lists',
        injected: 'An export with both',
        expected: 'A warning names the files, because no sidecar has these attributes',
        tests: {
          'cli/odd-images.docker.test.ts': [
            'extended attributes and access control lists are named, because no sidecar has them',
          ],
        },
      },
      {
        situation: 'A buildx builder keeps the image that it builds, and an older image has the tag',
        injected: 'A docker command that hands the image over only with --load',
        expected: 'The new image is packed',
        tests: {
          'docker/builders.docker.test.ts': [
            'a builder that keeps its image is told to hand it over, also when an older one has the tag',
          ],
        },
      },
      {
        situation: 'The docker command is podman',
        injected: "A docker command that answers with podman's version",
        expected: '78 with the name and version of podman',
        tests: {
          'docker/engines.test.ts': [
            'an engine that cannot be used is named once, with the words of docker > because it is podman',
            'the image of podman is not taken for one of docker',
          ],
        },
      },
      {
        situation: 'The last lines of docker end in CR LF, as over SSH',
        injected: 'A docker command whose lines end in CR LF, in halves and late',
        expected: 'The lines are shown',
        tests: {
          'docker/engines.test.ts': [
            'an engine that cannot be used is named once, with the words of docker > by ssh, with lines that end in %s',
          ],
          'host/child.test.ts': ['lines that end in CR LF, %s, are kept'],
        },
      },
      {
        situation: '`doctor` meets a docker that fails otherwise',
        injected: 'An unknown context, and a docker that fails without a word',
        expected: "Docker's words, once, with a fix",
        tests: {
          'docker/engines.test.ts': [
            'an engine that cannot be used is named once, with the words of docker > in a context that is not there',
            'an engine that cannot be used is named once, with the words of docker > though it says nothing',
          ],
        },
      },
      {
        situation: 'DOCKER_DEFAULT_PLATFORM names another platform',
        injected: 'The variable, and a docker command that notes its arguments and environment',
        expected: 'The platform is passed to the build, and the variable is not',
        tests: { 'docker/engines.test.ts': ['a platform in the environment does not decide what is built'] },
      },
      {
        situation: 'The docker client is told to use buildx, which is not installed',
        injected: "A docker command with the client's words in that case, in a build without secrets",
        expected: '1 with the hint to install buildx, without a word of secrets',
        tests: {
          'docker/engines.test.ts': ['a client that lacks the buildx component is told to install it'],
        },
      },
    ],
  },
];
