import type { Chapter } from './row.ts';

export const MACHINES: readonly Chapter[] = [
  {
    title: 'Public reports: tools and environment',
    rows: [
      {
        situation: 'smolvm 1.13 and later keep their guest from the loopback of the host',
        injected: 'The double of each version, and the real smolvm in a virtual machine',
        expected: 'Both hops pack; a smolvm that denies it anyway is explained',
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
        tests: {
          'cli/terminal.test.ts': ['a terminal with %o gets plain lines', 'a terminal that can gets colors'],
          'cli/progress.test.ts': ['a terminal with %s=%s gets the lines of none'],
        },
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
          'cli/registries.test.ts': [
            'a challenge > that leads to another host gets the login only by an option, which the message names',
          ],
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
          'cli/registries.test.ts': [
            'a challenge > with an unquoted realm and blanks leads to the token',
            'a challenge > that is not supported is named',
          ],
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
          'cli/registries.test.ts': ['a login > %s is found in the file of docker'],
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
          'cli/registries.test.ts': ['a login > %s is found in the file of docker'],
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
          'cli/registries.test.ts': [
            'a login > of podman is found by %s',
            'a login > is found in the file of REGISTRY_AUTH_FILE, and a file that is not there is told',
            'a login > is found in DOCKER_AUTH_CONFIG',
          ],
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
        tests: {
          'cli/registries.test.ts': [
            'a registry > whose link to the storage expires in the middle is asked for another one',
          ],
          'remote/oci.test.ts': ['a storage address that has expired is asked for once more'],
        },
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
];
