import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Nginx {
  /** Of the directory; under `/throttled` each connection gets 20 MB/s. */
  readonly url: string;
  /** What its answers had, heads included, since it started. */
  sentBytes(): Promise<number>;
  stop(): Promise<void>;
}

/** Serves the files of a directory on loopback. */
export async function startNginx(dir: string): Promise<Nginx> {
  const port = await freePort();
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${dir}/nginx-${name};`,
  );
  const config = join(dir, 'nginx.conf');
  const log = join(dir, 'nginx.log');
  await fs.writeFile(
    config,
    `daemon off; pid ${dir}/nginx.pid; error_log stderr crit; events {}
     http {
       log_format bytes $bytes_sent; access_log ${log} bytes; sendfile on; ${paths.join(' ')}
       server {
         listen 127.0.0.1:${port}; root ${dir};
         location /throttled/ { alias ${dir}/; limit_rate 20m; }
       }
     }`,
  );
  const child = spawn('nginx', ['-e', 'stderr', '-c', config], { stdio: ['ignore', 'ignore', 'inherit'] });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; (await fetch(`${url}/nothing`).catch(() => undefined)) === undefined; tries += 1) {
    if (tries === 100 || child.exitCode !== null) {
      throw new Error('nginx does not start');
    }
    await sleep(50);
  }
  return {
    url,
    // An answer is logged when it is sent, which may be a moment after it has arrived.
    sentBytes: async () => {
      await sleep(500);
      const lines = (await fs.readFile(log, 'utf8')).trim().split('\n');
      return lines.reduce((sum, line) => sum + Number(line), 0);
    },
    stop: async () => {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
