import { formatBytes } from '../host/disk.ts';
import { hostGuestPlatform } from '../identity/platform.ts';
import { describeSigner } from '../identity/signer.ts';
import { storeDir } from '../store/location.ts';
import { type ListedSidecar, listSidecars } from '../store/read.ts';
import { Store } from '../store/store.ts';
import { formatAge } from './age.ts';
import type { LsCommandOptions } from './flags/ls.ts';
import type { Output } from './output.ts';
import { shortHashes } from './style.ts';

const COLUMNS = ['IMAGE', 'COMMIT', 'SIZE', 'USED', 'SIGNED BY', 'ORIGIN'];

/** `claude-bottle ls`: a line for each sidecar of the store. */
export async function runLs(options: LsCommandOptions, output: Output): Promise<number> {
  const store = await Store.open(storeDir(options.store));
  const sidecars = await listSidecars(store);
  const now = Date.now();
  const total = sidecars.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const count = `${sidecars.length} sidecar${sidecars.length === 1 ? '' : 's'}`;
  output.result(
    sidecars,
    sidecars.length === 0
      ? [`no sidecars in ${store.dir}`]
      : [
          ...table([COLUMNS, ...sidecars.flatMap((sidecar) => rowsOf(sidecar, now))]),
          `${count}, ${formatBytes(total)} in ${store.dir}`,
        ],
  );
  return 0;
}

/** A line for each name that a sidecar has; without one, for each origin that has brought it. */
function rowsOf({ sizeBytes, usedAt, names, origins }: ListedSidecar, now: number): string[][] {
  const named = names.map(({ id16, origin }) => ({
    id: shortHashes(id16),
    installed: origins.find((each) => each.origin === origin),
  }));
  const unnamed = origins.map((installed) => ({ id: '-', installed }));
  return (named.length > 0 ? named : unnamed).map(({ id, installed }, index) => {
    const isFirst = index === 0;
    return [
      id,
      installed?.commit?.slice(0, 12) ?? '-',
      isFirst ? formatBytes(sizeBytes) : '',
      isFirst ? formatAge(now - Date.parse(usedAt)) : '',
      installed?.signer === undefined ? '-' : describeSigner(installed.signer),
      originOf(installed),
    ];
  });
}

/** Says for which machines, where they are not of this one's kind. */
function originOf(installed: ListedSidecar['origins'][number] | undefined): string {
  if (installed === undefined) {
    return 'packed by claude-bottle';
  }
  const { origin, platform } = installed;
  const where = origin.replace(/^github\.com\//, '');
  return platform === hostGuestPlatform() ? where : `${where}, ${platform}`;
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
