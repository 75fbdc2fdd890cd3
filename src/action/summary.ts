import type { BottleError } from '../errors.ts';
import { formatBytes } from '../host/disk.ts';
import { shown } from '../identity/shown-text.ts';
import type { PackedPlatform, Published } from './outputs.ts';

const DOCS = 'https://github.com/org/claude-bottle-pack/blob/main/docs';
/** More of a build's end than this belongs in the log. */
const MAX_DETAILS = 15;

/** The work of the step when it ends, however it ends. */
export interface StepEnd {
  readonly results: readonly PackedPlatform[];
  readonly published: Published;
}

/**
 * The job summary, in GitHub's Markdown: what developers can do now, then what was made, and everything else in a part
 * that is folded away. Empty when nothing was made.
 */
export function summaryOf({ results, published }: StepEnd): string {
  if (results.length === 0) {
    return '';
  }
  return [
    `## ${headline(results, published)}`,
    '',
    ...table(
      ['Platform', 'Size', 'Where', 'Signed by'],
      results.map((result) => [
        result.platform,
        formatBytes(result.record.sidecar.sizeBytes),
        places(result, published).join(' · ') || 'on this runner only',
        signer(result),
      ]),
    ),
    '',
    ...nextStep(results, published),
    howLong(results),
    '',
    '<details><summary>Image IDs, hashes and timings</summary>',
    '',
    ...results.flatMap((result) => details(result, published)),
    '</details>',
    '',
  ].join('\n');
}

function headline(results: readonly PackedPlatform[], { registry, release }: Published): string {
  if (registry !== undefined || release?.isDraft === false) {
    return `Published: ${code('claude-bottle fetch')} gets it now`;
  }
  if (release !== undefined) {
    return 'In a draft release';
  }
  return results.every(({ cacheMatch }) => cacheMatch === 'none')
    ? 'Packed'
    : 'Up to date: nothing was packed';
}

function places({ artifact, platform }: PackedPlatform, { registry, release }: Published): string[] {
  const isInRegistry = registry?.sidecars.some((sidecar) => sidecar.platform === platform);
  return [
    ...(registry !== undefined && isInRegistry ? [code(registry.name)] : []),
    ...(release === undefined ? [] : [releaseLink(release)]),
    ...(artifact === undefined
      ? []
      : [
          `[artifact](${artifact.url})${artifact.expiresAt === undefined ? '' : ` until ${artifact.expiresAt.slice(0, 10)}`}`,
        ]),
  ];
}

function releaseLink({ tag, url, isDraft, missingPlatforms }: NonNullable<Published['release']>): string {
  const link = `[release ${escaped(tag)}](${encodeURI(url)})`;
  const waits = missingPlatforms.length === 0 ? '' : ` that waits for ${missingPlatforms.join(', ')}`;
  return isDraft ? `${link}, a draft${waits}` : link;
}

/** `owner/repository` and the workflow's file, from the address of the workflow that signed. */
function signer({ signer: address }: PackedPlatform): string {
  if (address === undefined) {
    return 'nobody';
  }
  const [, repository, file] = /^https:\/\/[^/]+\/([^/]+\/[^/]+)\/.*?([^/@]+)@/.exec(address) ?? [];
  return repository === undefined ? code(address) : `${code(repository)} ${escaped(file ?? '')}`;
}

function nextStep(results: readonly PackedPlatform[], published: Published): string[] {
  const command = fetchCommand(results, published);
  if (command === undefined) {
    return [];
  }
  const isPrivate = published.registry?.isPublic === false;
  return [
    `On your machine, in a checkout of this commit ([install](${DOCS}/getting-started.md)):`,
    '',
    '```sh',
    command,
    '```',
    '',
    ...(isPrivate
      ? [
          `The package is private: make it public once (**Package settings → Change visibility**), or run ${code('docker login')} on each machine.`,
          '',
        ]
      : []),
  ];
}

function fetchCommand(
  results: readonly PackedPlatform[],
  { registry, release }: Published,
): string | undefined {
  const fetch = 'npx claude-bottle-pack fetch';
  if (registry !== undefined) {
    return registry.isDefault ? fetch : `${fetch} --from oci:${registry.name}`;
  }
  if (release !== undefined) {
    return release.isDraft ? undefined : fetch;
  }
  const uploaded = results.find(({ artifact }) => artifact !== undefined)?.artifact;
  return uploaded && `${fetch} --from run:${uploaded.runId}`;
}

function howLong(results: readonly PackedPlatform[]): string {
  const seconds = results.map(({ stages }) => stages.reduce((sum, stage) => sum + stage.seconds, 0));
  const each =
    results.length === 1
      ? ''
      : ` (${results.map(({ platform }, index) => `${platform} ${duration(seconds[index] ?? 0)}`).join(', ')})`;
  const total = seconds.reduce((sum, one) => sum + one, 0);
  const notes = [...new Set(results.flatMap(({ cacheNotes }) => cacheNotes))].map(escaped).join('; ');
  return `Took **${duration(total)}**${each}. The runner cache: ${notes || 'not used'} ([how it works](${DOCS}/action.md#the-runner-cache)).`;
}

function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

function details({ platform, record, stages }: PackedPlatform, { registry }: Published): string[] {
  const { image, inputs, sidecar, smolvm, packedAt } = record;
  const digest = registry?.sidecars.find((one) => one.platform === platform)?.digest;
  const facts: Array<[string, string]> = [
    ['image ID', code(image.id)],
    ...(inputs === undefined
      ? []
      : [
          ['inputs key', code(inputs.key) + (inputs.narrowed ? '' : ' (of the whole context)')] as [
            string,
            string,
          ],
        ]),
    ['sidecar', `SHA-256 ${code(sidecar.sha256)}`],
    ...(digest === undefined ? [] : [['registry', code(`${registry?.name}@${digest}`)] as [string, string]]),
    ['packed', `${packedAt} with smolvm ${escaped(smolvm.version)}`],
  ];
  return [
    `**${platform}**`,
    '',
    ...table(['', ''], facts),
    '',
    ...table(
      ['Stage', 'Time', 'Size'],
      stages.map(({ stage, seconds, sizeBytes }) => [
        stage,
        `${seconds.toFixed(1)} s`,
        sizeBytes === undefined ? '' : formatBytes(sizeBytes),
      ]),
    ),
    '',
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...rows.map(row)];
}

/** The failure as a headline, what to do, and where to read more. */
export function failureSummary({
  code: name,
  message,
  hints,
  permission,
  details: lines,
}: BottleError): string {
  const [first = '', ...rest] = message.split('\n');
  return [
    `## ${escaped(capitalized(first))}`,
    '',
    ...(rest.length === 0 ? [] : [escaped(rest.join(' ')), '']),
    ...(permission === undefined
      ? []
      : [
          `The job lacks ${code(permission)}. Add to it:`,
          '',
          '```yaml',
          'permissions:',
          ...(permission.startsWith('contents:') ? [] : ['  contents: read']),
          `  ${permission}`,
          '```',
          '',
        ]),
    ...(lines.length === 0 ? [] : ['<pre>', ...lines.slice(-MAX_DETAILS).map(escaped), '</pre>', '']),
    // The first one has become the lines to add.
    ...(permission === undefined
      ? hints.flatMap((hint) => [`**Try:** ${escaped(hint)}`, ''])
      : hints.slice(1).flatMap((hint) => [escaped(capitalized(hint)), ''])),
    `[Troubleshooting](${DOCS}/troubleshooting.md#${name}) · ${code(name)}`,
    '',
  ].join('\n');
}

/** The name of a program stays as it is. */
function capitalized(text: string): string {
  return /^(?:smolvm|docker|git|gh|claude-bottle|export)\b/.test(text)
    ? text
    : text.replace(/^[a-z](?=[a-z]* )/, (letter) => letter.toUpperCase());
}

function code(text: string): string {
  return `<code>${escaped(text)}</code>`;
}

/** Text from anywhere, shown as it is: neither Markdown nor HTML. */
function escaped(text: string): string {
  return shown(text).replaceAll(/[^A-Za-z0-9 ,.;:/()'"=+-]/gu, (character) =>
    /[\p{L}\p{N}…’]/u.test(character) ? character : `&#${character.codePointAt(0)};`,
  );
}
