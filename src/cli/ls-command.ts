import { formatBytes } from '../host/disk.ts';
import { storeDir } from '../store/location.ts';
import { type ListedSidecar, listSidecars } from '../store/read.ts';
import { Store } from '../store/store.ts';
import { formatAge } from './age.ts';
import type { LsCommandOptions } from './flags/ls.ts';
import type { Output } from './output.ts';

const COLUMNS = ['NAME', 'KEY', 'PLATFORM', 'SIZE', 'INSTALLED', 'ORIGIN'];

/** `claude-bottle ls`: a line for each sidecar of the store. */
export async function runLs(options: LsCommandOptions, output: Output): Promise<number> {
  const store = await Store.open(storeDir(options.store));
  const sidecars = await listSidecars(store);
  const now = Date.now();
  output.result(
    sidecars,
    sidecars.length === 0
      ? [`no sidecars in ${store.dir}`]
      : table([COLUMNS, ...sidecars.flatMap((sidecar) => rowsOf(sidecar, now))]),
  );
  return 0;
}

/** A line for each origin that has brought the sidecar, and for each name that it has. */
function rowsOf({ sizeBytes, installedAt, names, origins }: ListedSidecar, now: number): string[][] {
  const lines = Array.from({ length: Math.max(origins.length, names.length, 1) });
  return lines.map((_, index) => {
    const { key, platform, origin, signer } = origins[index] ?? {};
    const isFirst = index === 0;
    const brought = origin ?? (isFirst ? 'packed by claude-bottle' : undefined);
    return [
      names[index]?.id16 ?? '-',
      key?.slice(0, 16) ?? '-',
      platform ?? '-',
      isFirst ? formatBytes(sizeBytes) : '',
      isFirst ? formatAge(now - Date.parse(installedAt)) : '',
      brought === undefined ? '' : signer === undefined ? brought : `${brought}, signed`,
    ];
  });
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
