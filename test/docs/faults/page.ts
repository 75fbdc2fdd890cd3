import { ATTACKS } from './attacks.ts';
import { BUILDING } from './building.ts';
import { CHECKOUTS } from './checkouts.ts';
import { DAILY_LIFE } from './daily-life.ts';
import { FETCHING } from './fetching.ts';
import { HELD_ATTACKS } from './held-attacks.ts';
import { MACHINES } from './machines.ts';
import { PACKING } from './packing.ts';
import { PUBLISHING } from './publishing.ts';
import type { Chapter, Row } from './row.ts';
import { RUNNER } from './runner.ts';
import { STORE } from './store.ts';

export const CHAPTERS: readonly Chapter[] = [
  ...BUILDING,
  ...PACKING,
  ...PUBLISHING,
  ...FETCHING,
  ...STORE,
  ...ATTACKS,
  ...HELD_ATTACKS,
  ...MACHINES,
  ...CHECKOUTS,
  ...DAILY_LIFE,
  ...RUNNER,
];

const INTRODUCTION = `# Faults, attacks and odd situations

Everything below can go wrong, was tried as an attack, or was reported in public for tools that do a similar job. Each row says how it is
brought about, what must happen then, and which test shows it. An exit code is that of the command line
([troubleshooting](troubleshooting.md)); a failed step of the action ends with 1.

This page is made by \`npm run docs\` from the tables in \`test/docs/faults/\`. \`test/docs/faults.test.ts\` fails when it is out of date, and
when a test that it names does not exist.
`;

/** The page docs/faults.md. */
export function faultsPage(): string {
  return [INTRODUCTION, countsOf(CHAPTERS), ...CHAPTERS.map(chapterText)].join('\n');
}

function countsOf(chapters: readonly Chapter[]): string {
  const counts = ({ title, rows }: Chapter) => {
    const tested = rows.filter((row) => 'tests' in row).length;
    return [title, rows.length, tested, rows.length - tested];
  };
  const all = { title: '**All**', rows: chapters.flatMap(({ rows }) => rows) };
  return table(['Chapter', 'Rows', 'With a test', 'Without'], [...chapters, all].map(counts));
}

function chapterText({ title, rows }: Chapter): string {
  const cells = rows.map((row) => [row.situation, row.injected, row.expected, proofOf(row)]);
  return `## ${title}\n\n${table(['Situation', 'How it is brought about', 'Expected', 'Test'], cells)}`;
}

function proofOf(row: Row): string {
  if ('untested' in row) {
    return `**No test.** ${row.untested}`;
  }
  return Object.entries(row.tests)
    .map(([file, titles]) => [`[${file}](../test/${file})`, ...titles.map(asCode)].join('<br>'))
    .join('<br>');
}

/** Titles can hold backticks, and in a table a bar ends the cell even in code. */
function asCode(title: string): string {
  const fence = title.includes('`') ? '``' : '`';
  return `${fence}${title.replaceAll('|', String.raw`\|`)}${fence}`;
}

function table(head: readonly string[], rows: ReadonlyArray<readonly (string | number)[]>): string {
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return `${lines.join('\n')}\n`;
}
