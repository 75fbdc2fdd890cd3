import type { Chapter } from './row.ts';

export const CHECKOUTS: readonly Chapter[] = [
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
            'a miss names the file and its cause > line endings that .gitattributes asks for are not a difference',
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
        injected: 'Nineteen ways to write a remote on GitHub, and fourteen addresses without a repository',
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
            'a repository that has another name now > is not believed when someone else has the name, or when the signature is of another repository',
          ],
        },
      },
      {
        situation: 'gh keeps its login in the keyring, and GH_HOST names a server',
        injected: 'A gh that prints a token, fails, or prints half of one',
        expected: 'gh is asked for the server, without the tokens of the environment',
        tests: {
          'cli/gh-login.test.ts': [
            'the token that gh keeps in the keyring reads a private release',
            'gh is asked for the login of the server that GH_HOST names',
          ],
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
            'extended attributes, access control lists and file capabilities are named, because no sidecar has them',
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
