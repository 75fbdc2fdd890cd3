import { type BuildInputs, readBuildInputs } from '../context/build-inputs.ts';
import { BottleError } from '../errors.ts';
import { buildArgsSha256, type ContextEntry } from '../identity/inputs-key.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { platformOf, warnAboutOnlyHere } from './build-options.ts';
import type { KeyCommandOptions } from './flags/key.ts';
import type { Output } from './output.ts';

/** `claude-bottle key`: prints the inputs key; with --explain, what it is made of. */
export async function runKey(
  options: KeyCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const { context, file, target, buildArg, explain = false, against } = options;
  const platform = platformOf(options);
  const inputs = await readBuildInputs({ context, file, target, buildArgs: buildArg, platform, signal });
  await warnAboutOnlyHere(context, inputs, output, signal);
  const { record, entries, reasons } = inputs;
  const { key, narrowed } = record;
  const differences = against === undefined ? undefined : await compare(against, inputs, platform, context);
  const summary = { ...record, platform, reasons, ...(differences && { differences }) };
  if (!explain) {
    output.result(summary, [key, ...(differences ?? [])]);
    return 0;
  }
  const hasBuildArgs = record.buildArgsSha256 !== buildArgsSha256(new Map());
  const scope = narrowed ? 'what the Dockerfile can see of the context' : 'the whole context';
  output.result({ ...summary, entries }, [
    `key         ${key}`,
    `platform    ${platform}`,
    `dockerfile  ${record.dockerfileSha256.slice(0, 16)}`,
    `target      ${record.target ?? 'none'}`,
    `build args  ${hasBuildArgs ? record.buildArgsSha256.slice(0, 16) : 'none'}`,
    `covers      ${scope}`,
    ...reasons.map((reason) => `because     ${reason}`),
    ...(differences ?? []).map((line) => `differs     ${line}`),
    ...entries.map(entryLine),
  ]);
  return 0;
}

async function compare(
  path: string,
  inputs: BuildInputs,
  platform: GuestPlatform,
  context: string,
): Promise<string[]> {
  const [{ differencesFrom }, { readRecord }] = await Promise.all([
    import('../fetch/explain-miss.ts'),
    import('../sidecar/file.ts'),
  ]);
  const record = await readRecord(path);
  if (record === undefined) {
    throw new BottleError('not-found', `there is no pack record in ${path}`, {
      hint: 'name the .json file beside a sidecar',
    });
  }
  return await differencesFrom(record, inputs, { platform, context });
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
