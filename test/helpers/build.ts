import { execFileSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const SOURCES = ['src/**/*', 'rolldown.config.ts', 'package.json'];

/** Builds `dist`, which the tests run as users do, when a source is newer. */
export function setup(): void {
  const timeOf = (path: string) => statSync(join(ROOT, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const changed = Math.max(...globSync(SOURCES, { cwd: ROOT }).map(timeOf));
  if (changed > timeOf('dist/cli.mjs')) {
    execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: 'inherit' });
  }
}
