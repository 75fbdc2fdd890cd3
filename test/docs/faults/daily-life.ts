import type { Chapter } from './row.ts';

export const DAILY_LIFE: readonly Chapter[] = [
  {
    title: 'Daily life: registries, logins and connections',
    rows: [
      {
        situation:
          'A registry answers nobody with a bare 401, with 403 or with 404, and takes logins all the same',
        injected:
          'A registry whose challenge is at its root only, with and without a login in the file of docker',
        expected: 'The login is used; without one 77, or 66 for 404',
        tests: {
          'cli/registries.test.ts': [
            'a registry that tells its login at its root only > and answers %i to nobody is asked with the login that is kept',
          ],
        },
      },
      {
        situation: 'A mirror knows the repository by another name',
        injected: 'A challenge with the scope of another repository',
        expected: 'The token is asked for that name after the own one was refused',
        tests: {
          'cli/registries.test.ts': [
            'a challenge > for a mirror, which knows the repository by another name, is answered for that name',
          ],
        },
      },
      {
        situation: 'The kept token for a public repository has expired',
        injected: 'A token server that answers 400 to the refresh token',
        expected: 'A warning, and the sidecar as nobody gets it',
        tests: {
          'cli/registries.test.ts': ['a challenge > is public for someone whose kept token has expired'],
        },
      },
      {
        situation: 'A credential helper fails, or REGISTRY_AUTH_FILE names a file that is not there',
        injected: 'Helpers that print a reason, or a login, and end with 1; such a variable',
        expected: '77 after a warning with the reason, and without the login',
        tests: {
          'cli/registries.test.ts': [
            'a login > of a helper that fails is told with the words of the helper, and without a secret',
            'a login > is found in the file of REGISTRY_AUTH_FILE, and a file that is not there is told',
          ],
        },
      },
      {
        situation:
          'A registry answers to a manifest with 200 or 202, refuses HEAD, or writes its links in its own way',
        injected:
          'Such answers to an upload, nine statuses for HEAD, and six ways to write a link to the next page',
        expected: 'Taken, asked with GET, and followed',
        tests: {
          'remote/oci-push.test.ts': ['a manifest that is answered with %i is taken'],
          'remote/oci.test.ts': [
            'a registry that refuses HEAD > with %i is asked with GET',
            'tags > are read on by a link with %s',
          ],
        },
      },
      {
        situation: 'A registry has a rate limit',
        injected: 'Answers of 429 with a Retry-After of an hour',
        expected: '75 with the time, and the login that has a higher limit',
        tests: {
          'cli/registries.test.ts': [
            'a registry > that wants to be left alone for an hour ends with 75 and says who is asked less often',
          ],
        },
      },
      {
        situation: 'The clock of the machine is wrong, or the certificate of the server has expired',
        injected: 'Certificates of a known authority that have expired, or begin in an hour',
        expected: '69 at once, with the time that the machine believes it is',
        tests: {
          'cli/connections.test.ts': ['a certificate > that %s leads to the clock of the machine'],
        },
      },
      {
        situation:
          'The certificate is for another name, or of an authority that only the system knows, or nobody',
        injected: 'Such servers, with and without NODE_EXTRA_CA_CERTS and SSL_CERT_FILE',
        expected: '69 at once with the remedy; the authorities of the system are known',
        tests: {
          'cli/connections.test.ts': [
            'a certificate > of another server leads to the name',
            'a certificate > that nobody knows leads to NODE_EXTRA_CA_CERTS',
            'an authority that the system knows is one for us',
          ],
        },
      },
      {
        situation: 'Something else answers at the port, or the proxy refuses',
        injected:
          'A server without TLS, one without HTTP, one with TLS on this machine, and a proxy that answers 403 or 407',
        expected: '69 at once, with the port or HTTPS_PROXY to look at',
        tests: {
          'cli/connections.test.ts': [
            'a port where something else answers is told at once > without TLS',
            'a port where something else answers is told at once > without HTTP',
            'a port where something else answers is told at once > with TLS, where a registry of this machine is asked without',
            'a proxy that %s is told at once',
          ],
        },
      },
      {
        situation: 'An https address wants a login',
        injected: 'A server that answers 401 and 403, with GH_TOKEN set',
        expected: '77 with the way by another tool; the token is not sent there',
        tests: {
          'cli/connections.test.ts': [
            'an address that wants a login > with %i is not asked with a token of GitHub',
          ],
        },
      },
      {
        situation: 'gh waits for a keyring that nobody unlocks',
        injected: 'A gh that sleeps',
        expected: 'As without a login, after five seconds',
        tests: { 'cli/gh-login.test.ts': ['a gh that %s is as none'] },
      },
    ],
  },
  {
    title: 'Daily life: checkouts and engines',
    rows: [
      {
        situation: 'The settings of git are elsewhere, or in the environment',
        injected: 'GIT_CONFIG_GLOBAL, GIT_CONFIG_SYSTEM, and safe.directory in GIT_CONFIG_COUNT',
        expected: 'They count as they do for git; other settings in the environment do not',
        tests: {
          'cli/git-settings.test.ts': [
            'a checkout of another user > is trusted where the settings of GIT_CONFIG_GLOBAL say so',
            'a checkout of another user > is trusted where the environment says so, and nothing else of those settings counts',
          ],
        },
      },
      {
        situation:
          'git refuses the checkout, as a worktree in a container, and the user names the repository',
        injected: 'A .git file that leads out of the container, a checkout of another user, a newer format',
        expected: '78 with the reason and the remedy; with --repo the sources are asked',
        tests: {
          'cli/git-settings.test.ts': [
            'a worktree whose repository is not there, as in a container, can be named by --repo',
            'a checkout of another user > is not asked for what --repo names',
            'a checkout that a newer git has made is told from a broken one',
          ],
        },
      },
      {
        situation:
          'The clone is shallow, partial or sparse, or a worktree of a bare repository, or has no branch',
        injected: 'Six clones of one commit',
        expected: 'The same key, without a warning',
        tests: {
          'cli/git-settings.test.ts': ['a clone of every shape has the same key, and nothing of its own'],
        },
      },
      {
        situation: 'The checkout is a clone of a fork, or of something that is not on a GitHub server',
        injected: 'A remote called upstream; remotes on a disk and on other servers, with logins in them',
        expected: 'The message has the other remote with its --repo, or the address without its login',
        tests: {
          'cli/git-settings.test.ts': [
            'a clone of a fork is told of its other remotes',
            'the remote %s, which is not on a GitHub server, is shown',
          ],
        },
      },
      {
        situation: 'A rule of this clone or of its user ignores a name; git converts files by itself',
        injected: '.git/info/exclude, core.excludesFile and a .gitignore; ident and UTF-16',
        expected:
          'The file of the rule is named; a conversion that is the same in every clone is not a difference',
        tests: {
          'cli/git-settings.test.ts': [
            'the file of the rule that ignores a name is told',
            'a conversion that git does in every clone is not a difference',
          ],
        },
      },
      {
        situation: 'Arguments for docker build would build another image than the inputs key is for',
        injected: 'Targets, build arguments, files, contexts and platforms behind `--`',
        expected: '64 with the place where they belong',
        tests: { 'cli/key.test.ts': ['an argument for another image is refused by %s behind --: %s'] },
      },
      {
        situation: 'Docker comes from a snap, which has a /tmp of its own',
        injected: 'A docker command that writes no image ID, and one that does not see the context',
        expected: '1 with the directory to use',
        tests: {
          'docker/engines.test.ts': [
            'a docker command of a snap > that writes into a /tmp of its own is told from a failed build',
            'a docker command of a snap > that does not see the context is told: %s',
          ],
        },
      },
      {
        situation: 'The client is too old or too new for its engine, or lacks the certificates for it',
        injected: "A docker command with the engine's words",
        expected: '78 with the program to update or the variable to unset',
        tests: {
          'docker/engines.test.ts': [
            'a client that is too %s for its engine is named once',
            'an engine that cannot be used is named once, with the words of docker > without its certificates',
          ],
        },
      },
      {
        situation: 'The image is for Windows or another architecture',
        injected: 'Such images, named with --image and --no-build',
        expected: '64 with the platform of the image and those that a microVM can have',
        tests: { 'docker/engines.test.ts': ['an image for %s/%s is named with its platform'] },
      },
      {
        situation: 'The disk of the store is full',
        injected: 'A RAM disk of 64 kB',
        expected: '73, and nothing of the sidecar is kept under a name',
        tests: {
          'cli/connections.test.ts': [
            'a store on a full disk ends with 73, and keeps nothing of the sidecar',
          ],
        },
      },
    ],
  },
];
