import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { download } from '../src/fetch/download.ts';
import { remoteFile } from '../src/fetch/remote-file.ts';
import { HttpClient } from '../src/remote/http.ts';
import { verifySidecar } from '../src/sidecar/verify.ts';

/** Download, full verification, fsync and rename. Prints the most memory that it had, in MB. */
const [, , url = '', dir = '', target = '', sizeBytes, sha256 = ''] = process.argv;
const { signal } = new AbortController();
const http = new HttpClient({ signal });
const { path, hashed } = await download(
  remoteFile(http, { url }, { sizeBytes: Number(sizeBytes), sha256, isZip: false }),
  {
    dir,
    signal,
    http,
    onBytes: () => {},
    onWarning: (message) => console.error(message),
  },
);
http.close();
await verifySidecar(path, { sha256 }, { hashed });
await fs.chmod(path, 0o444);
await sync(path);
await fs.rename(path, target);
await sync(dirname(target));
// proc(5). The maximum of getrusage is that of the process that started this one, when that had more.
const [, peakKiB] = /^VmHWM:\s+(\d+) kB$/m.exec(await fs.readFile('/proc/self/status', 'utf8')) ?? [];
console.log((Number(peakKiB) * 1024) / 1e6);

async function sync(path: string): Promise<void> {
  const file = await fs.open(path);
  await file.sync();
  await file.close();
}
