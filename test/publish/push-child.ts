import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { publishToRegistry } from '../../src/publish/oci-registry.ts';
import { HttpClient } from '../../src/remote/http.ts';

/** Publishes one sidecar as `node push-child.ts HOST PATH`, with a tag for each message from its parent. */
const [host = '', path = ''] = process.argv.slice(2);
const record = JSON.parse(readFileSync(`${path}.json`, 'utf8'));
const { signal } = new AbortController();
const http = new HttpClient({ signal });
const github = { serverUrl: 'https://github.test', apiUrl: 'https://api.github.test', registryHost: host };

process.on('message', async ({ tag, delayMs }: { tag: string; delayMs: number }) => {
  try {
    await sleep(delayMs);
    const { indexes } = await publishToRegistry(
      {
        name: { registry: host, repository: 'owner/repo/smolmachine' },
        sidecars: [{ path, record }],
        tags: [tag],
      },
      { http, github: { ...github, credential: undefined, token: undefined }, signal, onProgress: () => {} },
    );
    process.send?.({ digest: indexes.get(tag) });
  } catch (error) {
    process.send?.({ error: String(error) });
  }
});
process.send?.('ready');
