import { checkedUrl } from './url.ts';

const DEFAULT_HOST = 'github.com';

export interface ServerOptions {
  /** The user's choice. */
  readonly serverUrl?: string | undefined;
  /** Host of the checkout's remote. */
  readonly remoteHost?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/** Which GitHub server a checkout belongs to, and whether the user has chosen it or it is github.com. */
export function serverOf({ serverUrl, remoteHost, env }: ServerOptions): { server: URL; isChosen: boolean } {
  const chosen = serverUrl || env.GITHUB_SERVER_URL;
  // As gh has it: the checkout comes first, and GH_HOST says which other server is one of the user's.
  const ghHost = env.GH_HOST?.replace(/^https:\/\/|\/+$/g, '').toLowerCase();
  const server = checkedUrl(chosen || `https://${remoteHost || ghHost || DEFAULT_HOST}`);
  return { server, isChosen: Boolean(chosen) || [DEFAULT_HOST, ghHost].includes(server.host) };
}
