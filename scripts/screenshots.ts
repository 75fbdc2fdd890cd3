/**
 * `npm run screenshots`: runs commands on a terminal of 80 and one of 120 columns, and draws what they print, and the
 * job summary, with headless Chromium. The pictures are those of docs/images/screenshots.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { marked } from 'marked';
import { CLI, fetchCommand, type Stage, withStage } from './demo/stage.ts';

const ROOT = join(import.meta.dirname, '..');
const OUT = join(ROOT, 'docs/images/screenshots');
const WIDTHS = [80, 120];
const LINE_PX = 18;
const CHAR_PX = 7.83;
/** How a terminal is told about colors and erased lines. */
const CSI = '\x1b[';
const COLORS: Record<string, string> = {
  1: 'font-weight:bold',
  2: 'opacity:0.6',
  31: 'color:#ff7b72',
  32: 'color:#7ee787',
  33: 'color:#e3b341',
  34: 'color:#79c0ff',
  36: 'color:#76e3ea',
};

interface Shot {
  readonly name: string;
  readonly commands: ReadonlyArray<readonly string[]>;
  /** A file of the checkout that is changed for the shot. */
  readonly changed?: string;
}

async function draw({ dir, checkout, registry, ci }: Stage): Promise<void> {
  const { summary } = await ci.run();
  await screenshot(dir, 'job-summary', 1012, 400, summaryPage(await marked(summary)));
  const fetch = fetchCommand(registry);
  const shots: Shot[] = [
    { name: 'help', commands: [['--help']] },
    { name: 'fetch', commands: [fetch, fetch] },
    { name: 'store', commands: [['ls'], ['verify']] },
    { name: 'doctor', commands: [['doctor']] },
    { name: 'miss', commands: [fetch, ['fetch', '--form']], changed: 'agent.py' },
  ];
  for (const columns of WIDTHS) {
    // Each width is another machine: it has fetched nothing yet.
    const home = join(dir, `laptop-${columns}`);
    await fs.mkdir(home);
    for (const { name, commands, changed } of shots) {
      const screens: string[] = [];
      if (changed !== undefined) {
        await fs.appendFile(join(checkout, changed), '\n');
      }
      for (const args of commands) {
        const output = await onTerminal(columns, args, { cwd: checkout, home });
        screens.push(`<b>$ claude-bottle ${escapeHtml(args.join(' '))}</b>\n${toHtml(output)}`);
      }
      if (changed !== undefined) {
        execFileSync('git', ['checkout', '--quiet', '--', changed], { cwd: checkout });
      }
      const html = screens.join('\n\n');
      const lengths = html.split('\n').map((line) => line.replaceAll(/<[^>]+>/g, '').length);
      const lines = lengths.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / columns)), 1);
      const width = Math.ceil(columns * CHAR_PX) + 32;
      await screenshot(dir, `${name}-${columns}`, width, lines * LINE_PX + 32, terminalPage(columns, html));
    }
  }
}

/** The page of a job whose Dockerfile has a mistake. */
async function drawFailure({ dir, checkout, ci }: Stage): Promise<void> {
  await fs.appendFile(join(checkout, 'Dockerfile'), 'COPY runtim /\n');
  const { summary } = await ci.run({ fails: true });
  await screenshot(dir, 'job-failure', 1012, 560, summaryPage(await marked(summary)));
}

/** What the command prints on a terminal, by `script` of util-linux. */
async function onTerminal(
  columns: number,
  args: readonly string[],
  { cwd, home }: { cwd: string; home: string },
): Promise<string> {
  const quoted = [process.execPath, CLI, ...args].map((word) => `'${word}'`).join(' ');
  const { PATH, DOCKER_HOST, DEMO_DOCKER_STATE } = process.env;
  const child = spawn('script', ['-qec', `stty cols ${columns} rows 50; ${quoted}`, '/dev/null'], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
    // Nothing else of this machine belongs into a picture.
    env: {
      PATH,
      ...(DOCKER_HOST && { DOCKER_HOST }),
      ...(DEMO_DOCKER_STATE && { DEMO_DOCKER_STATE }),
      HOME: home,
      TERM: 'xterm-256color',
      LC_ALL: 'C.UTF-8',
    },
  });
  return (await text(child.stdout)).replaceAll(home, '~').replaceAll(ROOT, '~/claude-bottle-pack');
}

/** The lines that stay on the screen. */
function toHtml(output: string): string {
  const lines = output.trimEnd().split(/\r*\n/);
  return lines.map((line) => colored(line.split(`${CSI}2K`).at(-1)?.split('\r').at(-1) ?? '')).join('\n');
}

function colored(line: string): string {
  const [plain = '', ...sequences] = line.split(CSI);
  let html = escapeHtml(plain);
  let open = 0;
  for (const sequence of sequences) {
    const [, codes = '', letter, chars = ''] = /^([\d;?]*)([A-Za-z])(.*)$/.exec(sequence) ?? [];
    for (const code of letter === 'm' ? codes.split(';') : []) {
      const style = COLORS[code];
      html += style === undefined ? '</span>'.repeat(open) : `<span style="${style}">`;
      open = style === undefined ? 0 : open + 1;
    }
    html += escapeHtml(chars);
  }
  return html + '</span>'.repeat(open);
}

function escapeHtml(chars: string): string {
  return chars.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

function terminalPage(columns: number, html: string): string {
  const style = `margin:16px;background:#1e1e1e;color:#e6e6e6;font:13px/${LINE_PX}px 'DejaVu Sans Mono',monospace`;
  return `<!doctype html><meta charset="utf-8"><body style="${style}"><pre style="margin:0;font:inherit;white-space:pre-wrap;word-break:break-all;width:${columns}ch">${html}</pre>`;
}

function summaryPage(html: string): string {
  // As GitHub shows Markdown.
  const style = `<style>body{margin:24px;font:16px/1.5 'Liberation Sans','DejaVu Sans',sans-serif;color:#1f2328}
h2{padding-bottom:7px;border-bottom:1px solid #d1d9e0}a{color:#0969da;text-decoration:none}
table{border-collapse:collapse}td,th{border:1px solid #d1d9e0;padding:6px 13px}
pre,code{font-family:'Liberation Mono','DejaVu Sans Mono',monospace;font-size:85%;border-radius:6px}
code{background:#eff1f3;padding:3px 6px}pre{background:#f6f8fa;padding:16px}pre code{background:none;padding:0;font-size:100%}</style>`;
  return `<!doctype html><meta charset="utf-8">${style}${html}`;
}

async function screenshot(
  dir: string,
  name: string,
  width: number,
  height: number,
  html: string,
): Promise<void> {
  const page = join(dir, `${name}.html`);
  await fs.writeFile(page, html);
  const { status, error, stderr } = spawnSync(
    'chromium',
    [
      ...[
        '--headless=new',
        '--no-sandbox',
        '--disable-gpu',
        `--screen-info={${width}x${height}}`,
        '--kiosk',
        '--hide-scrollbars',
        `--user-data-dir=${dir}/chromium`,
      ],
      ...[`--window-size=${width},${height}`, `--screenshot=${join(OUT, `${name}.png`)}`, `file://${page}`],
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) {
    throw new Error(
      `cannot draw ${name} with chromium (on Debian: apt-get install chromium): ${error?.message ?? stderr}`,
    );
  }
  console.log(`${name}.png`);
}

await fs.mkdir(OUT, { recursive: true });
await withStage(async (stage) => {
  await draw(stage);
  await drawFailure(stage);
});
