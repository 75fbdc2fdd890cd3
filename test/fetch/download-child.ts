import { writeSync } from 'node:fs';
import { InterruptedError } from '../../src/errors.ts';
import { download } from '../../src/fetch/download.ts';
import { remoteFile } from '../../src/fetch/remote-file.ts';
import { HttpClient } from '../../src/remote/http.ts';

/** A process that downloads, to be killed. It kills itself when `killAtBytes` are there, and prints how many are. */
const [, , url = '', dir = '', sizeBytes, sha256 = '', killAtBytes = 'Infinity'] = process.argv;
const controller = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => controller.abort(new InterruptedError(name)));
}
const { signal } = controller;
const http = new HttpClient({ signal });
try {
  await download(remoteFile(http, { url }, { sizeBytes: Number(sizeBytes), sha256 }), {
    dir,
    signal,
    http,
    onProgress: (event) => {
      if (event.type === 'bytes') {
        writeSync(1, `${event.doneBytes}\n`);
        if (event.doneBytes >= Number(killAtBytes)) {
          process.kill(process.pid, 'SIGKILL');
        }
      } else if (event.type === 'warning') {
        writeSync(2, `${event.message}\n`);
      }
    },
  });
} catch (error) {
  process.exitCode = error instanceof InterruptedError ? 77 : 1;
} finally {
  http.close();
}
