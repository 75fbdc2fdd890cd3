import { publishRelease } from '../../src/publish/github-release.ts';
import { githubSite } from '../../src/remote/github.ts';
import { HttpClient } from '../../src/remote/http.ts';

/** A process that publishes, to be killed: its only argument is the options as JSON, with a token. */
const { token, ...options } = JSON.parse(process.argv[2] ?? '');
const http = new HttpClient({ signal: new AbortController().signal });
await publishRelease({
  ...options,
  http,
  github: await githubSite({ token, env: process.env }),
  onProgress: () => {},
});
http.close();
