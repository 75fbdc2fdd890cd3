import { formatBytes } from '../host/disk.ts';
import { storeDir } from '../store/location.ts';
import { type ListedSidecar, Store } from '../store/store.ts';
import { formatAge } from './age.ts';
import type { LsCommandOptions } from './flags/ls.ts';
import type { Output } from './output.ts';

const COLUMNS = ['ID16', 'KEY', 'PLATFORM', 'SIZE', 'INSTALLED', 'BOUND TO'];

/** `claude-bottle ls`: a line for each sidecar of the store. */
export async function runLs(options: LsCommandOptions, output: Output): Promise<number> {
  const store = await Store.open(storeDir(options.store));
  const sidecars = await store.listSidecars();
  const now = Date.now();
  output.result(
    sidecars,
    sidecars.length === 0
      ? [`no sidecars in ${store.dir}`]
      : table([COLUMNS, ...sidecars.map((sidecar) => rowOf(sidecar, now))]),
  );
  return 0;
}

function rowOf({ id16, key, platform, sizeBytes, installedAt, names }: ListedSidecar, now: number): string[] {
  const bound = names.filter(({ kind }) => kind === 'bound').map((name) => `${name.id16} (${name.proof})`);
  return [
    id16,
    key?.slice(0, 16) ?? '-',
    platform ?? '-',
    formatBytes(sizeBytes),
    formatAge(now - Date.parse(installedAt)),
    bound.join(', ') || '-',
  ];
}

function table(rows: readonly string[][]): string[] {
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
