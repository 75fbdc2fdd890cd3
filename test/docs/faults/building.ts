import type { Chapter } from './row.ts';

export const BUILDING: readonly Chapter[] = [
  {
    title: 'Inputs of the action',
    rows: [
      {
        situation: 'An input is missing, has an unknown value, or excludes another one',
        injected: 'The inputs of the step, in a process without Docker and through the action',
        expected: 'The step fails before Docker is called; the error names the input and its allowed values',
        tests: {
          'action/inputs.test.ts': [
            'inputs that cannot be > %s: %j is refused with what is allowed',
            'inputs that cannot be > the context must be there',
            'inputs that cannot be > %j are refused together',
          ],
          'action/action.docker.test.ts': ['what fails > %j: before docker is called'],
        },
      },
      {
        situation:
          'A value holds line breaks, NUL, shell syntax, a leading dash or control characters, or is very long',
        injected:
          'Hostile values for each input and option, beside a docker command that notes its arguments',
        expected:
          'Refused as a usage error (64), or kept in one argument behind its option; docker is not called',
        tests: {
          'action/inputs.test.ts': [
            'inputs that cannot be > a hostile %s is refused',
            'inputs that cannot be > a %s that docker could take for an option is refused',
            'inputs that cannot be > the build argument %j is refused',
          ],
          'docker/docker.test.ts': [
            'the arguments of docker build > keep the value %j in one argument behind its option',
            'before docker is called > %s %j is refused',
          ],
        },
      },
      {
        situation: 'The context or the Dockerfile is outside of the workspace',
        injected: 'Paths with `..`, absolute paths, and symbolic links that lead out',
        expected: 'The step fails, and nothing of the outside file is read or shown',
        tests: {
          'action/inputs.test.ts': [
            'inputs that cannot be > a context or Dockerfile outside of the workspace is refused, also behind a link',
          ],
          'context/build-inputs.test.ts': [
            'fails > on a %s that links to a file outside, whose content it does not tell',
          ],
        },
      },
      {
        situation: 'The job lacks a permission that it needs to attest or to publish',
        injected: 'A job without an OIDC token, or with a token that may only read contents or packages',
        expected: 'The step fails before anything is built and names the line to add under `permissions`',
        tests: {
          'action/publish.docker.test.ts': ['before anything is built > %s is missed'],
          'trust/attest.test.ts': [
            'the permission to attest > that is missing in the mode required is named before anything is built',
          ],
          'publish/github-release.test.ts': [
            'what GitHub refuses > for want of contents: write names the line to add (%s)',
          ],
        },
      },
      {
        situation: 'A pull request from a fork runs a workflow that publishes',
        injected: 'The event of such a pull request, with the inputs for publishing and attesting',
        expected:
          'The step packs and succeeds with a notice; nothing is saved, uploaded, signed or published',
        tests: {
          'action/publish.docker.test.ts': [
            'nothing is published > by a pull request from a fork, which packs and succeeds',
          ],
          'action/upload-faults.docker.test.ts': [
            'a pull request > from a fork packs, and neither saves nor uploads',
          ],
          'action/trust.test.ts': ['what a run may do > a pull request from %s neither saves nor uploads'],
        },
      },
      {
        situation: 'The runner is a Mac or Windows, or has no Docker, no engine, or no `/dev/kvm`',
        injected:
          'RUNNER_OS, a PATH without docker, a DOCKER_HOST where nobody listens, a device that is missing or closed',
        expected:
          'The step fails with one thing to do; a closed device is opened by a udev rule where sudo allows it',
        tests: {
          'action/action.docker.test.ts': ['what fails > %s: with one thing to do'],
          'action/kvm.test.ts': [
            'a device that is closed to this user > is opened by a udev rule, and opens when we are done',
            'a device that is closed to this user > is an error with the rule to set where sudo asks for a password',
            'a machine without the device is sent to one that has it, without sudo',
            'a %s runner is told so, even if the device opens',
          ],
        },
      },
    ],
  },
  {
    title: 'Docker build',
    rows: [
      {
        situation: 'The Docker engine is down, or this user may not open its socket',
        injected: 'DOCKER_HOST without a listener; the command as a user outside of the docker group',
        expected: '69 with "cannot reach the Docker daemon", or 77 with the docker group as the hint',
        tests: {
          'cli/pack.docker.test.ts': [
            'what Docker refuses is told with a hint, and nothing is left > a daemon that is down',
            'what Docker refuses is told with a hint, and nothing is left > a socket that this user may not open',
          ],
        },
      },
      {
        situation: 'A step of the build fails',
        injected: 'A RUN that prints fifty lines and exits with 3',
        expected: '1 with the step and its last 20 lines, no stack trace, nothing left behind',
        tests: {
          'cli/pack.docker.test.ts': [
            'what Docker refuses is told with a hint, and nothing is left > a build that fails, with the step and the end of its output',
          ],
          'action/action.docker.test.ts': [
            'what fails > a build that fails shows its step, its last lines and no stack',
          ],
        },
      },
      {
        situation: 'The build prints commands for the runner, terminal codes, or output without end',
        injected: 'RUN lines that print workflow commands in both forms, and 200 MB of text',
        expected: 'No command is obeyed, no terminal code is passed on, and memory stays bounded',
        tests: {
          'action/action.docker.test.ts': ['what a build prints > is shown, and nothing of it is obeyed'],
          'action/log.test.ts': ["the runner's log > obeys nothing that a child prints"],
          'cli/faults.docker.test.ts': [
            'a build > of 200 MB of output and terminal codes stays small and passes no code on',
          ],
        },
      },
      {
        situation: 'The build hangs',
        injected: 'A RUN that sleeps longer than `timeout-minutes`',
        expected: 'The build is ended, the step fails as timed out, and nothing is left behind',
        tests: {
          'action/action.docker.test.ts': ['what fails > a build that hangs is ended by timeout-minutes'],
        },
      },
      {
        situation: 'Two builds give the same tag at once',
        injected: 'Two processes that pack different contexts under one tag',
        expected: 'Each packs the image that it built itself',
        tests: {
          'cli/pack.docker.test.ts': ['pack > of one tag by two at once packs for each what it built itself'],
        },
      },
      {
        situation:
          'The engine answers with an image ID of another form, with nothing, or gives each build another ID',
        injected:
          'A docker command whose `image inspect` is rewritten; the containerd image store with attestations',
        expected: '1 with the question that was asked; 78 with the setting that makes image IDs stable',
        tests: {
          'cli/faults.docker.test.ts': ['a build > whose image inspect answers %s is an error of Docker'],
          'cli/fetch.docker.test.ts': [
            'with the containerd image store > an image ID that every build changes ends with 78, and with what to do',
          ],
        },
      },
    ],
  },
];
