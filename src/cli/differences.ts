import { formatBytes } from '../host/disk.ts';
import { counted } from '../identity/shown-text.ts';
import {
  type ChangedFile,
  collectGuestFiles,
  compareGuests,
  type GuestDifferences,
  type GuestFile,
  type GuestFiles,
} from '../sidecar/guest-files.ts';
import type { SidecarManifest } from '../sidecar/manifest.ts';
import type { SidecarReport, VerifyOptions } from '../sidecar/report.ts';

/** The most lines of each group that people are shown. */
const MAX_LISTED = 20;

/** What a machine made from the sidecar gets beside its files. */
const SETTINGS = [
  'platform',
  'entrypoint',
  'cmd',
  'env',
  'workdir',
  'user',
  'cpus',
  'mem',
  'smolvm_version',
  'created',
] as const satisfies ReadonlyArray<keyof SidecarManifest>;

export interface Setting {
  readonly name: (typeof SETTINGS)[number];
  readonly from: unknown;
  readonly to: unknown;
}

export interface SidecarDifferences extends GuestDifferences {
  readonly settings: readonly Setting[];
}

export interface ReadGuest {
  readonly report: SidecarReport;
  readonly files: GuestFiles;
}

/**
 * Reads all that is in a sidecar by a function that verifies it.
 * @param base what it is going to be compared with
 */
export async function readGuest<T extends { readonly report: SidecarReport | undefined }>(
  options: VerifyOptions,
  verify: (options: VerifyOptions) => Promise<T>,
  base?: GuestFiles,
): Promise<T & { readonly files: GuestFiles }> {
  const { files, onEntry } = collectGuestFiles(base);
  return { ...(await verify({ ...options, deep: true, onEntry })), files };
}

export function compareSidecars(from: ReadGuest, to: ReadGuest): SidecarDifferences {
  const [before, after] = [from.report.manifest, to.report.manifest];
  const settings = SETTINGS.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  return {
    ...compareGuests(from.files, to.files),
    settings: settings.map((name) => ({ name, from: before[name] ?? null, to: after[name] ?? null })),
  };
}

/** "3 files added, 1 removed, 2 changed"; undefined where no file differs. */
export function countsOf({ added, removed, changed }: GuestDifferences): string | undefined {
  const counts = Object.entries({ added: added.length, removed: removed.length, changed: changed.length })
    .filter(([, count]) => count > 0)
    .map(([what, count]) => [count, what] as const);
  const [first, ...rest] = counts.map(([count, what], index) =>
    index === 0
      ? `${counted(count, 'file', count.toLocaleString('en'))} ${what}`
      : `${count.toLocaleString('en')} ${what}`,
  );
  return first === undefined ? undefined : [first, ...rest].join(', ');
}

/** The files of each group, the largest first, and the settings. */
export function differenceLines({ added, removed, changed, settings }: SidecarDifferences): string[] {
  const size = ({ sizeBytes }: GuestFile) => sizeBytes;
  return [
    ...group('changed', changed, ({ from, to }) => Math.max(size(from), size(to)), changedLine),
    ...group('added', added, size, fileLine),
    ...group('removed', removed, size, fileLine),
    ...group('settings', settings, () => 0, settingLine),
  ];
}

function group<T>(
  name: string,
  all: readonly T[],
  weight: (each: T) => number,
  line: (each: T) => string,
): string[] {
  if (all.length === 0) {
    return [];
  }
  const listed = all.toSorted((a, b) => weight(b) - weight(a)).slice(0, MAX_LISTED);
  const more = all.length - listed.length;
  return [
    name,
    ...listed.map((each) => `  ${line(each)}`),
    ...(more === 0 ? [] : [`  ... and ${more.toLocaleString('en')} more, --json lists all`]),
  ];
}

function fileLine(file: GuestFile): string {
  const what = file.type === 'file' ? formatBytes(file.sizeBytes) : file.type;
  return `${file.path}  ${what}${file.target === undefined ? '' : ` -> ${file.target}`}`;
}

function changedLine({ path, aspects, from, to }: ChangedFile): string {
  const texts = aspects.map((aspect) => {
    switch (aspect) {
      case 'type':
        return `${from.type} -> ${to.type}`;
      case 'mode':
        return `mode ${octal(from.mode)} -> ${octal(to.mode)}`;
      case 'owner':
        return `owner ${from.uid}:${from.gid} -> ${to.uid}:${to.gid}`;
      case 'size':
        return `${formatBytes(from.sizeBytes)} -> ${formatBytes(to.sizeBytes)}`;
      case 'target':
        return `target ${from.target ?? 'none'} -> ${to.target ?? 'none'}`;
      case 'time':
        return `time ${time(from)} -> ${time(to)}`;
      case 'content':
        return from.type === to.type ? 'other content' : undefined;
      default:
        return aspect satisfies never;
    }
  });
  return `${path}  ${texts.filter((text) => text !== undefined).join(', ')}`;
}

function settingLine({ name, from, to }: Setting): string {
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  return `${name}  ${text(from)} -> ${text(to)}`;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/** A tar has room for times that no calendar has. */
function time({ mtimeSeconds }: GuestFile): string {
  const date = new Date(mtimeSeconds * 1000);
  return Number.isNaN(date.getTime()) ? `${mtimeSeconds} s` : date.toISOString().replace('.000Z', 'Z');
}
