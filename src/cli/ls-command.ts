import { formatBytes } from '../host/disk.ts';
import { describeOrigin, HERE } from '../identity/origin.ts';
import { counted } from '../identity/shown-text.ts';
import { describeSigner } from '../identity/signer.ts';
import { storeDir } from '../store/location.ts';
import { type ListedSidecar, listSidecars } from '../store/read.ts';
import { Store } from '../store/store.ts';
import { formatAge } from './age.ts';
import type { LsCommandOptions } from './flags/ls.ts';
import type { Output } from './output.ts';
import { shortHashes } from './style.ts';

const COLUMNS = ['IMAGE', 'COMMIT', 'PLATFORM', 'SIZE', 'USED', 'SIGNED BY'];
const LOCAL_PACK = '(local pack)';

/** `claude-bottle ls`: a line for each sidecar of the store. */
export async function runLs(options: LsCommandOptions, output: Output): Promise<number> {
  const store = await Store.open(storeDir(options.store));
  const sidecars = await listSidecars(store);
  const now = Date.now();
  const total = sidecars.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  output.result(
    sidecars,
    sidecars.length === 0
      ? [`no sidecars in ${store.dir}`]
      : [
          ...table([COLUMNS, ...sidecars.flatMap((sidecar) => rowsOf(sidecar, now))]),
          `${counted(sidecars.length, 'sidecar')}, ${formatBytes(total)} in ${store.dir}`,
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
      isLocal(installed) ? LOCAL_PACK : (installed?.commit?.slice(0, 12) ?? '-'),
      installed?.platform ?? '-',
      isFirst ? formatBytes(sizeBytes) : '',
      isFirst ? formatAge(now - Date.parse(usedAt)) : '',
      installed === undefined || isLocal(installed) ? '-' : signerOf(installed),
    ];
  });
}

type Installed = ListedSidecar['origins'][number];

/** claude-bottle's own packing leaves no record. */
function isLocal(installed: Installed | undefined): boolean {
  return installed === undefined || installed.origin === describeOrigin(HERE);
}

/** With the repository that it was fetched for, unless the signer is of that one. */
function signerOf({ origin, signer }: Installed): string {
  const repository = origin.replace(/^github\.com\//, '');
  const name = signer === undefined ? 'nobody' : describeSigner(signer);
  return name.startsWith(`${repository} `) ? name : `${name}, for ${repository}`;
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
