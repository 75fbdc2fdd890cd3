import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const DOCUMENT = readFileSync(join(import.meta.dirname, '../../docs/guest-differences.md'), 'utf8');

/** Tells a path that has nothing to do with the image: it or one above it is listed. */
export function runtimePaths(): (path: string) => boolean {
  const paths = [...DOCUMENT.matchAll(/^- `(\/\S+)`$/gm)].map(([, path = '']) => path);
  return (path) => paths.some((listed) => path === listed || path.startsWith(`${listed}/`));
}

/** The directories whose modification time is that of the start. */
export function touchedPaths(): string[] {
  return [...DOCUMENT.matchAll(/^- `(\/\S*)`, its time$/gm)].map(([, path = '']) => path);
}

/** The rows of the table for a packer and a version of smolvm, as `differences` words them. */
export function documentedDifferences(packer: string, version: string): string[] {
  return DOCUMENT.split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter(([, of = '', versions = '']) => of === packer && versions.split(', ').includes(version))
    .map(([, , , entry, field]) => `${entry}: ${field}`)
    .sort();
}
