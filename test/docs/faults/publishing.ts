import type { Chapter } from './row.ts';

export const PUBLISHING: readonly Chapter[] = [
  {
    title: 'The runner cache',
    rows: [
      {
        situation: 'The cache service fails, is not reachable, or denies reading',
        injected:
          'A double of the results service that answers 500 or 403, cuts the download, or is not there',
        expected: 'A warning, and the run packs as without a cache; a single failure is asked again',
        tests: {
          'action/cache-faults.docker.test.ts': [
            'a runner cache that fails > once is asked again',
            'a runner cache that fails > and denies the lookup is only a warning',
            'a runner cache that fails > and cuts the download is only a warning',
            'a runner cache that fails > and cannot be reached is only a warning',
          ],
        },
      },
      {
        situation: 'A restored entry is damaged, is of another image, or is a link or a directory',
        injected: 'Entries saved as any job of the repository could save them',
        expected: 'A warning with the key of the entry; the image is packed and saved again',
        tests: {
          'action/cache-faults.docker.test.ts': [
            'an entry of the runner cache > %s is not used: the image is packed and saved again',
            'an entry of the runner cache > whose key has %s behind the one asked for is not used',
          ],
        },
      },
      {
        situation:
          'The artifact of the run that packed has expired, or what the runner cache has is of no use',
        injected:
          'A list of artifacts without the first one, and entries that are written over; then a third run',
        expected: 'One run packs again and saves that; the next one is warm',
        tests: {
          'action/warm.docker.test.ts': [
            'a run with unchanged inputs > packs again once when the artifact of the earlier run is gone, and is warm from then on',
          ],
          'action/cache-faults.docker.test.ts': [
            'a sidecar that is not usable is fetched once, and complained about once',
          ],
        },
      },
      {
        situation: 'A hostile archive is in the cache of a job that attests or releases',
        injected: 'An entry under the right key, in a job that can attest, runs for a tag, or publishes',
        expected: 'The service is not asked at all',
        tests: {
          'action/cache-faults.docker.test.ts': [
            'a job that attests or releases > since it %s asks the cache for nothing',
          ],
          'action/publish.docker.test.ts': [
            'a job that publishes > publishes nothing that came from the runner cache, not even with cache: true',
          ],
        },
      },
      {
        situation: 'The entry cannot be saved: no write access, already there, or over the quota',
        injected: 'A read-only token, an answer that the entry exists, a refusal at the end of the upload',
        expected: 'A notice, or nothing when another job wrote it; the step succeeds',
        tests: {
          'action/cache-faults.docker.test.ts': [
            'a cache that may not be written to > %s is a notice',
            'a cache that may not be written to > since another job of the same run has written the entry first is not mentioned',
          ],
        },
      },
      {
        situation: 'The job is cancelled while it saves',
        injected: "The runner's sequence of signals during a slow upload to the cache, and during tar",
        expected: 'Nothing is left behind; the step says that it was cancelled',
        tests: {
          'action/cancel.docker.test.ts': [
            'a job cancelled during the save to the cache > by SIGINT leaves nothing behind',
            'a job cancelled during the archive for the cache > by SIGINT leaves nothing behind',
          ],
        },
      },
    ],
  },
  {
    title: 'Artifacts of a run',
    rows: [
      {
        situation: 'The name is taken, the quota is used up, or the service fails',
        injected: 'Answers of the double at the creation of the artifact',
        expected:
          'The step fails with the reason; the sidecar stays in the workspace, and its path is in the log',
        tests: {
          'action/upload-faults.docker.test.ts': [
            'an artifact of that name that is there already > is left alone, and the step fails',
            'an upload that the service > %s fails the step',
          ],
        },
      },
      {
        situation: 'The upload is cut, or its signed address has expired',
        injected: 'A connection that is reset or cut, a 503, and 403 for the signature',
        expected: 'Sent again and right in the end; an expired signature fails the step after one request',
        tests: {
          'action/upload-faults.docker.test.ts': [
            'an upload that the service > %s once is sent again',
            'an upload that the service > refuses for an expired signature fails the step soon',
          ],
        },
      },
      {
        situation: 'GitHub has another digest than the sidecar that was verified',
        injected: 'A rewritten listing, and a file that changes during the upload',
        expected: 'The artifact is deleted, and the step fails',
        tests: {
          'action/upload-faults.docker.test.ts': [
            'an artifact that is not what was verified > by the digest that GitHub has is deleted, and the step fails',
            'an artifact that is not what was verified > since someone has changed the file is deleted, and the step fails',
          ],
        },
      },
    ],
  },
  {
    title: 'GitHub releases',
    rows: [
      {
        situation: 'A file of that name is published already',
        injected: 'A second run with the same content, and one with other content',
        expected: 'Nothing is changed; other content is refused with the hint to make a new tag (69)',
        tests: {
          'publish/github-release.test.ts': [
            'a run that is repeated > changes nothing when all is there (immutable: %s)',
            'a run that is repeated > refuses other content under a published name, before it changes anything',
          ],
          'action/publish.docker.test.ts': [
            'a job that publishes > brings its sidecar to both places, signed, where developers get it; once published it stays',
          ],
        },
      },
      {
        situation: 'An upload is cut, and GitHub keeps the file half made',
        injected: 'The double of GitHub cuts the upload, loses its answer, or leaves the state "starter"',
        expected:
          'The half file is deleted and sent again; if it stays half made, the release stays a draft (69)',
        tests: {
          'publish/github-release.test.ts': [
            'an upload > that is cut is sent again, and what it has left is deleted',
            'an upload > that GitHub keeps half made is sent once more',
            'an upload > that GitHub keeps half made again fails, and nothing is published',
          ],
        },
      },
      {
        situation: 'The release is immutable, or its tag is missing or on another commit',
        injected:
          'A repository with immutable releases; tags that are absent, elsewhere, or move during the upload',
        expected: '69, 66 or 76 with the reason; nothing is published',
        tests: {
          'publish/github-release.test.ts': [
            'a run that is repeated > refuses to add to an immutable release, and names what is missing',
            'the tag > that is not there is not made',
            'the tag > on another commit ends it before any change (annotated: %s)',
            'the tag > that moves while files are sent leaves the release a draft',
          ],
        },
      },
      {
        situation: "GitHub's secondary rate limit is reached",
        injected: 'Answers of 403 with a Retry-After of 1 and 61 seconds, and without one',
        expected: "Waited for up to a minute, else 75 with GitHub's words; the draft stays",
        tests: {
          'publish/github-release.test.ts': [
            'a limit of GitHub > is waited for',
            'a limit of GitHub > that lasts longer than a minute ends it with its own words, and the draft stays',
            'a limit of GitHub > without a time ends it too',
          ],
        },
      },
      {
        situation: 'The job is killed while it publishes to a registry',
        injected: 'SIGKILL at 25 moments of a whole run, and at more of them by `npm run storm`',
        expected:
          'Each tag leads to what it led to before or to the new sidecar, whole; the next run completes it',
        tests: {
          'storm/publish.docker.test.ts': [
            'a publication that is killed at any moment leaves the tags at what they led to or at the new sidecar, whole',
          ],
        },
      },
      {
        situation: 'The job is killed between two files, or in the middle of one',
        injected: 'SIGKILL and SIGINT while files are sent',
        expected: 'The release stays a draft, and the next run completes the same draft',
        tests: {
          'publish/github-release.test.ts': [
            'a run that is killed > %s leaves a draft, which the next run completes',
          ],
          'action/publish.docker.test.ts': [
            'a job that publishes > and gets SIGKILL between two files leaves a draft, which the next attempt completes',
          ],
        },
      },
    ],
  },
  {
    title: 'Publishing to a registry',
    rows: [
      {
        situation: 'The registry sends for a token to another host, or its token expires during the upload',
        injected: 'Challenges whose realm is another host; tokens that are good for a few requests',
        expected:
          'The login is not sent there without `--allow-token-host` (77); an expired token is renewed once',
        tests: {
          'remote/oci.test.ts': [
            'authentication > a login is told to another host than the registry only when the user allows it',
            'authentication > tokens do not come from %j',
          ],
          'remote/oci-push.test.ts': [
            'a token that expires in the middle of an upload is renewed once, in the same upload',
          ],
          'remote/oci-push.docker.test.ts': [
            'a token that a real registry refuses in the middle of an upload is renewed, and the upload goes on',
          ],
        },
      },
      {
        situation: 'The registry sends the upload to another origin, names no place for it, or answers 413',
        injected: 'Location headers for other hosts and ports, an answer without one, a limit on the size',
        expected: '69 with the reason; nothing is sent to the other origin, and 413 is not tried again',
        tests: {
          'remote/oci-push.test.ts': [
            'an upload does not go to another origin, %s, and neither does the login',
            'a place for the upload on another port is another origin',
            'a registry that does not say where to upload is told on',
            '413 %s names the size and what to raise, and is not tried again',
          ],
        },
      },
      {
        situation: 'The manifest is refused after all blobs have been sent',
        injected: 'A registry that answers 400 to the manifest, to the tag of a platform, or to the index',
        expected: '69, and the tag leads to the sidecar that it led to before',
        tests: {
          'publish/oci-registry.docker.test.ts': [
            'when %s is refused, the tag leads to what it led to before',
            'tags are set only when all that they lead to is there',
          ],
        },
      },
      {
        situation:
          'A registry acknowledges the subject of a signature and lists no referrers, or has no such API',
        injected: 'Registries of these three kinds',
        expected: 'The signature is still found from the sidecar',
        tests: {
          'publish/oci-registry.docker.test.ts': [
            'a registry that acknowledges a subject and lists no referrers keeps the bundle beside the sidecar',
            'a registry without the referrers API keeps the bundle beside the sidecar',
          ],
        },
      },
      {
        situation: 'Two jobs publish two platforms at once',
        injected: 'Two processes that write the same index fifty times, some writes delayed',
        expected: 'Both platforms are in the index each time',
        tests: {
          'publish/oci-registry.docker.test.ts': [
            'two jobs that publish at once both end up in the index, fifty times',
          ],
        },
      },
    ],
  },
];
