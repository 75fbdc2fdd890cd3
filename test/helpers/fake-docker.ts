import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { DOUBLE_DIR } from './cli.ts';

export interface FakeDocker {
  /** Puts the fake in the place of docker. */
  readonly env: { readonly PATH: string };
  /** The command lines that it has got, in order. */
  calls(): Promise<string[]>;
}

/**
 * A fake `docker` that is the real one but for the command lines matching a pattern of the shell's `case`: there
 * it runs `script`, in which `docker` is the real one and `$@` the arguments.
 */
export async function fakeDocker(dir: string, pattern: string, script: string): Promise<FakeDocker> {
  const bin = join(dir, 'fake');
  const log = join(bin, 'calls');
  await fs.mkdir(bin);
  await fs.writeFile(log, '');
  const lines = [
    '#!/bin/sh',
    `PATH='${process.env.PATH}'`,
    `printf '%s\\n' "$*" >> '${log}'`,
    `case "$*" in ${pattern})`,
    script,
    'exit ;;',
    'esac',
    'exec docker "$@"',
  ];
  await fs.writeFile(join(bin, 'docker'), `${lines.join('\n')}\n`, { mode: 0o755 });
  return {
    env: { PATH: [bin, DOUBLE_DIR, process.env.PATH].join(delimiter) },
    calls: async () => (await fs.readFile(log, 'utf8')).split('\n').slice(0, -1),
  };
}
