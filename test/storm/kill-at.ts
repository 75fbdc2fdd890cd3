import childProcess from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';

/**
 * Loaded into a process before its program: counts the calls that change something outside of it, and kills it at one of
 * them. A call to the file system is not made any more; a child or a request has been started, and runs for a while.
 */
const { STORM_KILL_AT, STORM_DELAY_MS, STORM_CALLS_FILE } = process.env;
for (const name of ['NODE_OPTIONS', 'STORM_KILL_AT', 'STORM_DELAY_MS', 'STORM_CALLS_FILE']) {
  delete process.env[name];
}
/** A download makes more of them the faster its bytes come, and the number of calls has to be the same each time. */
const MOST_WRITES = 20;
const { writeFileSync } = fs;
const kill = () => process.kill(process.pid, 'SIGKILL');
let calls = 0;

type Calls = Record<string, (...args: unknown[]) => unknown>;

function countIn(object: object, names: readonly string[], isInstant: boolean, most = Infinity): void {
  const methods = object as Calls;
  for (const name of names) {
    const call = methods[name];
    let own = 0;
    methods[name] = function (this: unknown, ...args: unknown[]) {
      own += 1;
      calls += own <= most ? 1 : 0;
      const isLast = own <= most && calls === Number(STORM_KILL_AT);
      if (isLast && isInstant) {
        kill();
      }
      const result = call?.apply(this, args);
      if (isLast) {
        setTimeout(kill, Number(STORM_DELAY_MS)).unref();
      }
      return result;
    };
  }
}

const changes = ['chmod', 'copyFile', 'link', 'mkdir', 'mkdtemp', 'open', 'rename', 'rm', 'rmdir', 'symlink'];
countIn(fs.promises, [...changes, 'truncate', 'unlink', 'utimes', 'writeFile'], true);
countIn(fs, [...changes.map((name) => `${name}Sync`), 'unlinkSync', 'writeFileSync'], true);
countIn(fs, ['writevSync'], true, MOST_WRITES);
const file = await fs.promises.open('/dev/null');
countIn(Object.getPrototypeOf(file), ['chmod', 'sync', 'truncate', 'write', 'writeFile', 'writev'], true);
await file.close();
countIn(childProcess, ['spawn'], false);
countIn(http, ['request'], false);
syncBuiltinESMExports();
calls = 0;

if (STORM_CALLS_FILE !== undefined) {
  process.on('exit', () => writeFileSync(STORM_CALLS_FILE, String(calls)));
}
