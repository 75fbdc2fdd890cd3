import type { BottleError } from '../errors.ts';
import { formatBytes } from '../host/disk.ts';
import type { PackedPlatform, Published } from './outputs.ts';

const HEADLINES = {
  none: 'packed',
  image: 'taken from the runner cache by its image ID, nothing was packed',
  inputs: 'taken from the runner cache by its inputs key, nothing was built',
} as const;

/** A platform's part of the job summary, in GitHub's Markdown. */
export function summaryOf(result: PackedPlatform, runId: string): string {
  const { record, artifact } = result;
  const { sidecar, image, inputs, smolvm } = record;
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
    ['sidecar', `${formatBytes(sidecar.sizeBytes)}, SHA-256 ${code(sidecar.sha256)}`],
    ['smolvm', `${smolvm.version}, packed ${record.packedAt}`],
    ['runner cache', result.cacheNotes.map(escaped).join('; ')],
    [
      'artifact',
      artifact === undefined
        ? 'not uploaded'
        : `[${artifact.name}](${artifact.url})${artifact.expiresAt === undefined ? '' : `, until ${artifact.expiresAt}`}`,
    ],
  ];
  return [
    `### ${result.platform}: ${HEADLINES[result.cacheMatch]}`,
    '',
    '| | |',
    '| --- | --- |',
    ...facts.map(([name, value]) => `| ${name} | ${value} |`),
    '',
    '| stage | time | size |',
    '| --- | ---: | ---: |',
    ...result.stages.map(
      ({ stage, seconds, sizeBytes }) =>
        `| ${stage} | ${seconds.toFixed(1)} s | ${sizeBytes === undefined ? '' : formatBytes(sizeBytes)} |`,
    ),
    ...(artifact === undefined
      ? []
      : [
          '',
          'On a developer’s machine, in a checkout:',
          '',
          '```sh',
          `claude-bottle fetch --from run:${runId} --platform ${result.platform} --sha256 ${sidecar.sha256}`,
          '```',
        ]),
    '',
  ].join('\n');
}

/** What everybody can get now, and how; empty when nothing was published. */
export function publishSummary(results: readonly PackedPlatform[], { registry, release }: Published): string {
  if (registry === undefined && release === undefined) {
    return '';
  }
  const signers = new Set(results.map(({ signer }) => (signer === undefined ? 'nobody' : code(signer))));
  const facts: Array<[string, string]> = [
    ...(registry?.sidecars ?? []).map(({ platform, digest }): [string, string] => [
      `registry, ${platform}`,
      code(`${registry?.name}@${digest}`),
    ]),
    ...(registry?.isPublic === false
      ? [['readable', 'with a login only; the warning above says how to change that'] as [string, string]]
      : []),
    ...(release === undefined ? [] : [['release', releaseFact(release)] as [string, string]]),
    ['signed by', [...signers].join(', ')],
  ];
  const from = registry === undefined || registry.isDefault ? '' : ` --from oci:${registry.name}`;
  return [
    '### Published',
    '',
    '| | |',
    '| --- | --- |',
    ...facts.map(([name, value]) => `| ${name} | ${value} |`),
    ...(registry === undefined && release?.isDraft
      ? []
      : ['', 'On a developer’s machine, in a checkout:', '', '```sh', `claude-bottle fetch${from}`, '```']),
    '',
  ].join('\n');
}

function releaseFact({ tag, url, isDraft, missingPlatforms }: NonNullable<Published['release']>): string {
  const link = `[${escaped(tag)}](${encodeURI(url)})`;
  const waits = missingPlatforms.length === 0 ? '' : ` that waits for ${missingPlatforms.join(', ')}`;
  return isDraft ? `${link}, a draft${waits}` : link;
}

export function failureSummary(error: BottleError): string {
  const hint = error.hint === undefined ? '' : `\n\n**To do:** ${escaped(error.hint)}`;
  return `### Failed: ${code(error.code)}\n\n${escaped(error.message)}${hint}\n`;
}

function code(text: string): string {
  return `<code>${escaped(text)}</code>`;
}

/** Text from anywhere, to be shown as it is: neither Markdown nor HTML. */
function escaped(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9 ,.;:/()'"=+-]/gu, (character) =>
    /[\p{L}\p{N}…’]/u.test(character) ? character : `&#${character.codePointAt(0)};`,
  );
}
