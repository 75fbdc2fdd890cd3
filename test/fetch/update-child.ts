import nodeFs, { readFileSync, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { download } from '../../src/fetch/download.ts';
import { remoteFile } from '../../src/fetch/remote-file.ts';
import { HttpClient } from '../../src/remote/http.ts';
import { parseFrameIndex } from '../../src/sidecar/frame-index.ts';

/**
 * A process that downloads an update of the sidecar `base`, and prints how many calls that may change a file it has
 * made. It kills itself before the call number `killAt`.
 */
const [, , url = '', dir = '', sizeBytes, sha256 = '', base = '', index = '', killAt = '0'] = process.argv;
let calls = 0;
const count = () => {
  calls += 1;
  if (calls === Number(killAt)) {
    process.kill(process.pid, 'SIGKILL');
  }
};
const { writevSync } = nodeFs;
nodeFs.writevSync = (...args: Parameters<typeof writevSync>) => {
  count();
  return writevSync(...args);
};
const { open } = nodeFs.promises;
nodeFs.promises.open = async (...args: Parameters<typeof open>) => {
  count();
  return await open(...args);
};
syncBuiltinESMExports();

const { signal } = new AbortController();
const http = new HttpClient({ signal });
await download(remoteFile(http, { url }, { sizeBytes: Number(sizeBytes), sha256 }), {
  dir,
  signal,
  http,
  onProgress: (event) => event.type === 'warning' && writeSync(2, `${event.message}\n`),
  reuse: { bases: [base], frames: async () => parseFrameIndex(readFileSync(index)).frames },
});
http.close();
writeSync(1, String(calls));
