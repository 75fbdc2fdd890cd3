import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command, Option } from 'commander';
import { parse } from 'yaml';
import { z } from 'zod';
import { verbs } from '../../src/cli/verbs.ts';

const ROOT = join(import.meta.dirname, '../..');

const actionSchema = z.object({
  description: z.string(),
  inputs: z.record(z.string(), z.object({ description: z.string(), default: z.string().optional() })),
  outputs: z.record(z.string(), z.object({ description: z.string() })),
});

/** docs/reference-cli.md: every command and every option, also those that few people need. */
export function cliReference(): string {
  const commands = verbs(async () => {});
  return page([
    '# Command line reference',
    'Made by `npm run docs` from what the command line itself declares. Every command also takes `--quiet` (`-q`), `--verbose`',
    '(`-v`), `--debug` and `--help` (`-h`); [troubleshooting](troubleshooting.md) has the exit codes.',
    ...commands.flatMap(([heading, group]) => [
      '',
      `## ${heading.replace(/:$/, '')}`,
      ...group.flatMap(commandLines),
    ]),
  ]);
}

function commandLines(command: Command): string[] {
  const aliases = command.aliases().map((alias) => `\`${alias}\``);
  const args = command.registeredArguments.map((argument) => {
    const text = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return [argument.required ? `<${text}>` : `[${text}]`, argument.description];
  });
  const usage = ['claude-bottle', command.name(), '[options]', ...args.map(([text]) => text)].join(' ');
  return [
    '',
    `### ${command.name()}`,
    '',
    `${sentence(command.summary())}${aliases.length > 0 ? ` Also called ${aliases.join(' and ')}.` : ''}`,
    '',
    '```text',
    usage,
    '```',
    '',
    ...table('Argument or option', [
      ...args.map(([text = '', description = '']) => [text, description]),
      ...command.options.map((option) => [option.flags, described(option)]),
    ]),
  ];
}

function described({ description, defaultValue, argChoices, envVar, hidden }: Option): string {
  const notes = [
    ...(argChoices && !description.includes(argChoices[0] ?? '') ? [`one of ${argChoices.join(', ')}`] : []),
    ...(typeof defaultValue === 'string' || typeof defaultValue === 'number'
      ? [`default ${defaultValue}`]
      : []),
    ...(envVar === undefined ? [] : [`or ${envVar} in the environment`]),
    ...(hidden ? ['not in the help'] : []),
  ];
  return [description, ...notes].join('; ');
}

/** docs/reference-action.md: the inputs and outputs of both actions. */
export async function actionReference(): Promise<string> {
  const actions = [
    ['org/claude-bottle-pack@v1', 'action.yml'],
    ['org/claude-bottle-pack/fetch@v1', 'fetch/action.yml'],
  ] as const;
  const lines = await Promise.all(
    actions.map(async ([uses, path]) => actionLines(uses, await readFile(join(ROOT, path), 'utf8'))),
  );
  return page(['# Action reference', 'Made by `npm run docs` from both `action.yml`.', ...lines.flat()]);
}

function actionLines(uses: string, text: string): string[] {
  const { description, inputs, outputs } = actionSchema.parse(parse(text, { schema: 'failsafe' }));
  return [
    '',
    `## ${uses}`,
    '',
    sentence(description),
    '',
    ...table(
      'Input',
      Object.entries(inputs).map(([name, input]) => [
        name,
        [input.description, ...(input.default ? [`Default: \`${input.default}\`.`] : [])].join(' '),
      ]),
    ),
    '',
    ...table(
      'Output',
      Object.entries(outputs).map(([name, output]) => [name, output.description]),
    ),
  ];
}

function table(heading: string, rows: readonly (readonly string[])[]): string[] {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  return [
    `| ${heading} | Meaning |`,
    '| --- | --- |',
    ...rows.map(([name = '', meaning = '']) => `| \`${cell(name)}\` | ${cell(meaning)} |`),
  ];
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}

function page([title = '', ...lines]: readonly string[]): string {
  return `${[title, '', ...lines].join('\n')}\n`;
}
