import { readBuildInputs } from '../context/build-inputs.ts';
import type { ContextEntry } from '../identity/inputs-key.ts';
import { hostGuestPlatform, parseGuestPlatform } from '../identity/platform.ts';
import { visible } from '../sidecar/footer.ts';
import type { Output } from './output.ts';

export interface KeyCommandOptions {
  readonly context: string;
  readonly file?: string;
  readonly target?: string;
  readonly buildArg: readonly string[];
  readonly platform?: string;
  readonly explain?: boolean;
}

/** `claude-bottle key`: prints the inputs key; with --explain, what it is made of. */
export async function runKey(
  { context, file, target, buildArg, platform: wanted, explain = false }: KeyCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const platform = wanted === undefined ? hostGuestPlatform() : parseGuestPlatform(wanted);
  const inputs = await readBuildInputs({ context, file, target, buildArgs: buildArg, platform, signal });
  const { key, entriesSha256, entries, narrowed, reasons } = inputs;
  const summary = { key, platform, entriesSha256, narrowed, reasons };
  if (!explain) {
    output.result(summary, [key]);
    return 0;
  }
  const scope = narrowed ? 'what the Dockerfile can see of the context' : 'the whole context';
  output.result({ ...summary, entries }, [
    `key         ${key}`,
    `platform    ${platform}`,
    `covers      ${scope}`,
    ...reasons.map((reason) => `because     ${visible(reason)}`),
    ...entries.map((entry) => visible(entryLine(entry))),
  ]);
  return 0;
}

function entryLine(entry: ContextEntry): string {
  switch (entry.type) {
    case 'directory':
      return `directory   ${entry.path}/`;
    case 'symlink':
      return `symlink     ${entry.path} -> ${entry.linkTarget}`;
    case 'file':
      return [
        entry.executable ? 'executable ' : 'file       ',
        entry.path,
        entry.sha256.slice(0, 16),
        ...(entry.specialBits ?? []),
      ].join(' ');
  }
}
