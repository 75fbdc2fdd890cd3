import * as fs from 'node:fs/promises';
import { publishToRegistry, UPLOAD_IDLE_TIMEOUT_MS } from '../src/publish/oci-registry.ts';
import { HttpClient } from '../src/remote/http.ts';

/** Publishes one sidecar with everything that belongs to it. Prints the most memory that it had, in MB. */
const [, , host = '', repository = '', path = '', recordPath = ''] = process.argv;
const record = JSON.parse(await fs.readFile(recordPath, 'utf8'));
const { signal } = new AbortController();
const http = new HttpClient({ signal, idleTimeoutMs: UPLOAD_IDLE_TIMEOUT_MS });
const site = { serverUrl: 'https://github.test', apiUrl: 'https://api.github.test', registryHost: host };
await publishToRegistry(
  { name: { registry: host, repository }, sidecars: [{ path, record }], tags: [] },
  { http, github: { ...site, credential: undefined, token: undefined }, signal, onProgress: () => {} },
);
http.close();
// proc(5). The maximum of getrusage is that of the process that started this one, when that had more.
const [, peakKiB] = /^VmHWM:\s+(\d+) kB$/m.exec(await fs.readFile('/proc/self/status', 'utf8')) ?? [];
console.log((Number(peakKiB) * 1024) / 1e6);
