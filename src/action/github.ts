import { type GitHubSite, githubSite } from '../remote/github.ts';
import { HttpClient } from '../remote/http.ts';
import type { Job } from './job.ts';
import type { RunnerLog } from './log.ts';

/** The GitHub that the job runs on. Nothing else of the environment counts: a login on the runner is not the job's. */
export async function jobSite(
  { serverUrl, apiUrl }: Pick<Job, 'serverUrl' | 'apiUrl'>,
  token: string | undefined,
): Promise<GitHubSite> {
  return await githubSite({
    token,
    env: { GITHUB_SERVER_URL: serverUrl, GITHUB_API_URL: apiUrl, HOME: '/nonexistent' },
  });
}

/** Runs `use` with an HTTP client whose retries are on the log. */
export async function withHttp<T>(
  { signal, log }: { readonly signal: AbortSignal; readonly log: RunnerLog },
  options: { readonly idleTimeoutMs?: number },
  use: (http: HttpClient) => Promise<T>,
): Promise<T> {
  const onRetry = (message: string) => log.text(`trying again: ${message}`);
  const http = new HttpClient({ signal, onRetry, ...options });
  try {
    return await use(http);
  } finally {
    http.close();
  }
}
