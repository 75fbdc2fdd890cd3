import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const ROOT = join(import.meta.dirname, '../..');

export interface ModuleResult {
  readonly value?: unknown;
  /** Of the error that it ended with. */
  readonly code?: string;
  readonly message?: string;
  readonly hint?: string;
}

/**
 * Calls an exported function of `src/` in a process of its own, for what is fixed when a process starts: its user, its
 * certificates.
 * @param call an expression, such as `prepareKvm('/dev/kvm')`; `progress` is a function that takes anything
 */
export async function callInChild(
  module: string,
  call: string,
  options: { readonly env?: NodeJS.ProcessEnv; readonly uid?: number; readonly cwd?: string } = {},
): Promise<ModuleResult> {
  const name = call.slice(0, call.indexOf('('));
  const source = `
    import { ${name} } from ${JSON.stringify(join(ROOT, module))};
    globalThis.TEST_DOWNLOAD_TOOL_RETRY_MIN_SECONDS = 0;
    globalThis.TEST_DOWNLOAD_TOOL_RETRY_MAX_SECONDS = 0;
    const progress = () => {};
    const result = await ${call}.then(
      (value) => ({ value }),
      ({ code, message, hint }) => ({ code, message, hint }),
    );
    console.log('\\n' + JSON.stringify(result));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    env: { PATH: process.env.PATH, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: options.cwd,
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  const last = stdout.trimEnd().split('\n').at(-1);
  if (!last?.startsWith('{')) {
    throw new Error(`the child gave no result: ${stderr}`);
  }
  return JSON.parse(last);
}
