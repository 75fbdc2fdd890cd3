import type { Chapter } from './row.ts';

export const HELD_ATTACKS: readonly Chapter[] = [
  {
    title: 'Attacks that never worked',
    rows: [
      {
        situation: 'The record of another sidecar, or the signature of another one, is laid beside a sidecar',
        injected: 'Swapped records and bundles',
        expected: '76 or 65',
        tests: {
          'trust/verify.test.ts': [
            'a statement > about another sidecar is refused',
            'a statement > about another pack record is refused, or an old sidecar could pass for new inputs',
          ],
          'cli/fetch.test.ts': [
            'provenance > does not cover a record that was changed, or a sidecar that was',
          ],
        },
      },
      {
        situation: 'The signer only looks like the expected one',
        injected:
          'Names that begin alike, workflows of strangers, `..` in the path of a workflow, other branches, self-hosted runners',
        expected: '76 with both values',
        tests: {
          'trust/verify.test.ts': ['an identity > with the %s is refused'],
          'cli/fetch.test.ts': [
            'provenance > of another workflow, another ref or another repository is refused before the download',
          ],
        },
      },
      {
        situation: 'The signature is by another authority, or was logged after its certificate had run out',
        injected: 'A second Sigstore double, and log entries of an hour later',
        expected: '76',
        tests: {
          'trust/verify.test.ts': [
            'a signature > by another authority with the same claims is refused',
            'the time of a signature > after the certificate has run out is refused',
          ],
        },
      },
      {
        situation: 'An artifact of a fork, a pull request, another workflow or another branch is offered',
        injected: 'Runs of these kinds that are newer than the good one',
        expected: 'Passed over, or 76 where the run is named; nothing is downloaded',
        tests: {
          'fetch/workflow-artifact.test.ts': [
            'an artifact by its name > never comes from a fork, however new its run is',
            'an artifact by its name > never comes from a fork that the listing hides',
            'the run of an artifact > is refused when it %s, with no download',
          ],
        },
      },
      {
        situation: 'Any field of a bundle is changed or removed',
        injected: 'Thousands of generated changes',
        expected: 'Refused, or exactly the same statement',
        tests: {
          'trust/verify.test.ts': [
            'damage > of any byte of the bundle is found, or says the same',
            'damage > of any byte that was signed is found',
            'damage > of whatever kind never ends in anything but a refusal',
          ],
        },
      },
      {
        situation: 'Names such as `__proto__` change the objects of the program',
        injected: 'Manifests, bundles and cached records with these names',
        expected: 'Nothing is changed by them',
        tests: {
          'sidecar/verify.test.ts': ['a manifest > with __proto__ in it changes nothing'],
          'trust/verify.test.ts': ['what should be a bundle > but is with prototypes is refused'],
          'action/cache-faults.docker.test.ts': [
            'an entry of the runner cache > with a pack record that says nothing is not used: the image is packed and saved again',
          ],
        },
      },
      {
        situation: 'The footer of a sidecar holds numbers beyond 2^53',
        injected: 'Sizes and offsets of 2^64-1',
        expected: '65',
        tests: { 'sidecar/verify.test.ts': ['damage > of the footer is named: describes a file of'] },
      },
      {
        situation: 'Two sidecars have one CRC-32',
        injected: 'A sidecar with another command, forged to the checksum of a good one',
        expected: 'They are told apart by their SHA-256',
        tests: {
          'sidecar/forged-crc.test.ts': [
            'a sidecar that was forged to the CRC-32 of another is told by its SHA-256',
            'it does not pass for the file that a pack record lies beside',
            'both stay apart in the store, and in the place of the other it goes to quarantine',
          ],
        },
      },
      {
        situation: 'A redirect takes a token to another origin',
        injected: 'Redirects of registries, of GitHub and of its storage',
        expected: 'The token stays with the origin that it is for',
        tests: {
          'remote/http.test.ts': ['a redirect > to another port takes no credential along'],
          'remote/oci.test.ts': [
            'authentication > neither a redirect nor the challenge of its target gets the login',
          ],
          'fetch/workflow-artifact.test.ts': ['a download > shows the token to the API alone'],
          'publish/github-release.test.ts': [
            'the token > does not go where a release says that it takes files, unless that is this GitHub',
          ],
        },
      },
      {
        situation: 'An OCI layout on disk holds links, or names with `..`',
        injected: 'Such directories as a source',
        expected: 'Refused',
        untested:
          'The command line has no such source: a sidecar comes from a registry, a release, a workflow run, a file or an address.',
      },
      {
        situation: 'Generated bytes in the place of any format end in a crash, a hang or endless memory',
        injected:
          'Mutated samples of each format that is read, with a budget in the suite and for hours by `npm run fuzz`',
        expected: 'Read, or refused with an exit code of the contract, within a second and 300 MB',
        tests: {
          'fuzz/fuzz.test.ts': ['any bytes are read, or refused with an exit code of the contract: > %s'],
          'trust/verify.test.ts': [
            'damage > of whatever kind never ends in anything but a refusal',
            'damage > of a time stamp never ends in anything but a refusal',
          ],
        },
      },
      {
        situation: 'An output of the action is code in a script that uses it',
        injected: 'Results with hostile names and addresses',
        expected: 'Each output keeps to a fixed alphabet',
        tests: { 'action/outputs.test.ts': ['outputs > of %s each keep to their alphabet'] },
      },
      {
        situation: 'A child process inherits secrets of the job, or shows them',
        injected: 'Marked secrets in inputs and tokens, and children that note their environment',
        expected: 'Only the build gets its own secrets; none is in arguments, logs, summaries or files',
        tests: {
          'action/secrets.docker.test.ts': [
            'secrets > are shown nowhere when all goes well',
            'secrets > of a job that publishes and signs are shown nowhere',
            'secrets > that a failing build prints are masked in what is told of it',
          ],
        },
      },
      {
        situation: 'A forged state makes the post step remove something foreign',
        injected: 'A build that prints orders to save a state',
        expected: 'There is no state at all; leftovers are found by their owner',
        tests: {
          'action/action.docker.test.ts': ['what a build prints > is shown, and nothing of it is obeyed'],
          'cli/kill.docker.test.ts': [
            'a sweep leaves alone what belongs to someone else or to a run that is alive',
          ],
        },
      },
    ],
  },
];
