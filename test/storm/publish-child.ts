import { readFileSync } from 'node:fs';
import { publishToRegistry } from '../../src/publish/oci-registry.ts';
import { HttpClient } from '../../src/remote/http.ts';

/** A process that publishes a sidecar with its record, as `node publish-child.ts HOST REPOSITORY TAG PATH`. */
const [host = '', repository = '', tag = '', path = ''] = process.argv.slice(2);
const { signal } = new AbortController();
const http = new HttpClient({ signal });
const github = { serverUrl: 'https://github.test', apiUrl: 'https://api.github.test', registryHost: host };
await publishToRegistry(
  {
    name: { registry: host, repository },
    sidecars: [
      {
        path,
        record: JSON.parse(readFileSync(`${path}.json`, 'utf8')),
        bundle: readFileSync(`${path}.sigstore.json`),
      },
    ],
    tags: [tag],
  },
  {
    http,
    signal,
    github: { ...github, credential: undefined, token: undefined },
    onProgress: (event) => console.error(event),
  },
);
http.close();
