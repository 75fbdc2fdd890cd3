import { BottleError } from '../errors.ts';
import { updateCost } from '../fetch/update-cost.ts';
import { formatBytes } from '../host/disk.ts';
import type { GuestFiles } from '../sidecar/guest-files.ts';
import type { VerifyOptions } from '../sidecar/report.ts';
import { storeDir } from '../store/location.ts';
import { Store } from '../store/store.ts';
import {
  compareSidecars,
  countsOf,
  differenceLines,
  type ReadGuest,
  readGuest,
  type SidecarDifferences,
} from './differences.ts';
import type { DiffOptions } from './flags/diff.ts';
import { readNamed } from './named-sidecar.ts';
import type { CommandContext } from './output.ts';

/** `claude-bottle diff`: verifies two sidecars, and says what differs and what a fetch of the second one moves. */
export async function runDiff(
  names: { readonly from: string; readonly to: string },
  options: DiffOptions,
  context: CommandContext,
): Promise<number> {
  const { output, signal } = context;
  const store = await Store.open(storeDir(options.store), output.onProgress);
  const from = await read(names.from, store, context);
  const to = await read(names.to, store, context, from.files);
  const isSame = from.report.sha256 === to.report.sha256;
  const differences = compareSidecars(from, to);
  const fetchBytes = isSame ? 0 : await updateCost(from.report, to.report, signal);
  output.result(
    {
      from: summaryOf(from),
      to: summaryOf(to),
      isSame,
      fetchBytes,
      ...differences,
    },
    isSame
      ? [output.digest(`the same bytes: sha256 ${to.report.sha256}`)]
      : linesOf(differences, fetchBytes, to),
  );
  return 0;
}

async function read(
  name: string,
  store: Store,
  { output: { onProgress }, signal }: CommandContext,
  base?: GuestFiles,
): Promise<ReadGuest> {
  onProgress({ type: 'start', stage: 'read', detail: name });
  const onBytes = (doneBytes: number) => onProgress({ type: 'bytes', stage: 'read', doneBytes });
  const verify = (options: VerifyOptions) => readNamed(name, store, options);
  const { report, files } = await readGuest({ signal, onBytes }, verify, base);
  if (report === undefined) {
    throw new BottleError('not-found', `the sidecar of ${name} is neither beside it nor in the store`, {
      hint: 'claude-bottle fetch --no-bind',
    });
  }
  onProgress({ type: 'done', stage: 'read', sizeBytes: report.sizeBytes, detail: name });
  return { report, files };
}

function summaryOf({ report: { path, sha256, sizeBytes }, files }: ReadGuest) {
  return { path, sha256, sizeBytes, files: files.size };
}

function linesOf(all: SidecarDifferences, fetchBytes: number, { report }: ReadGuest): string[] {
  // Every file that a build makes again has another time, which nobody asks for.
  const changed = all.changed.filter(({ aspects }) => aspects.some((aspect) => aspect !== 'time'));
  const settings = all.settings.filter(({ name }) => name !== 'created');
  const shown = {
    ...all,
    settings,
    changed: changed.map((file) => ({
      ...file,
      aspects: file.aspects.filter((aspect) => aspect !== 'time'),
    })),
  };
  const timesOnly = all.changed.length - changed.length;
  const percent = ((100 * fetchBytes) / report.sizeBytes).toFixed(1);
  return [
    `${countsOf(shown) ?? 'the same files'}; the update fetches ${formatBytes(fetchBytes)} of ${formatBytes(report.sizeBytes)} (${percent} %)`,
    ...differenceLines(shown),
    ...(timesOnly === 0 ? [] : [`${timesOnly.toLocaleString('en')} more with another time only`]),
  ];
}
