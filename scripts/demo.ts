/** `npm run demo`: an agent's start without this project and with it, in four scenes, on this machine. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { formatBytes } from '../src/host/disk.ts';
import { isOlder } from '../src/identity/version.ts';
import { type Ci, CLI, fetchCommand, forgetImage, IMAGE, type Stage, withStage } from './demo/stage.ts';
import { realSmolvm } from './real-smolvm.ts';

const CLAUDE_BOTTLE = join(import.meta.dirname, '../test/doubles/claude-bottle/ensure_smolmachine.py');
const READER = '1.32.2';

async function play({ dir, checkout, registry, ci, docker, smolvm, packFlags }: Stage): Promise<void> {
  const seconds: Record<string, number> = {};
  const bytes: Record<string, number> = {};
  scene(1, 'Without: a laptop finds nothing and packs', [docker, smolvm, 'DOUBLE of claude-bottle']);
  const alone = { HOME: join(dir, 'laptop-without') };
  claudeBottle(checkout, alone, { finds: false });
  seconds.pack = await run(['pack', '--image', IMAGE, ...packFlags], checkout, alone);
  claudeBottle(checkout, alone, { finds: true });

  scene(2, 'CI packs once and publishes', ['real action', docker, registry.what, 'DOUBLE of the runner']);
  seconds.ci = await publish(ci);

  scene(3, 'With: another laptop fetches', ['real claude-bottle fetch', docker, registry.what]);
  // Every machine has an engine of its own, which gives the same build another image ID.
  forgetImage();
  const laptop = { HOME: join(dir, 'laptop-with') };
  const fetchArgs = fetchCommand(registry);
  claudeBottle(checkout, laptop, { finds: false });
  await registry.takeSentBytes();
  seconds.fetch = await run(fetchArgs, checkout, laptop);
  bytes.fetch = await registry.takeSentBytes();
  claudeBottle(checkout, laptop, { finds: true });
  await readByRealSmolvm(dir, join(laptop.HOME, '.cache/claude-bottle/smolmachines'));

  scene(4, 'One line of the agent changes', ['the same as before']);
  await fs.appendFile(join(checkout, 'agent.py'), 'print("This line is new.")\n');
  seconds.ciUpdate = await publish(ci);
  await registry.takeSentBytes();
  seconds.update = await run(fetchArgs, checkout, laptop);
  bytes.update = await registry.takeSentBytes();
  claudeBottle(checkout, laptop, { finds: true });
  const time = (name: string) => `${(seconds[name] ?? 0).toFixed(1)} s`;
  const packing = smolvm.startsWith('real') ? time('pack') : `${time('pack')} and the VM's minutes`;
  const row = (what: string, without: string, withUs: string) =>
    console.log(`${what.padEnd(26)}  ${without.padEnd(28)}  ${withUs}`);
  console.log();
  row('on each machine', 'without', 'with');
  row('first start', packing, `${time('fetch')}, ${formatBytes(bytes.fetch ?? 0)} downloaded`);
  row(
    'after a change of one line',
    'the same again',
    `${time('update')}, ${formatBytes(bytes.update ?? 0)} downloaded`,
  );
  row('needs', 'smolvm, KVM, 8 GiB of memory', 'a network');
  row('in CI, once for everyone', '-', `${time('ci')}, then ${time('ciUpdate')}`);
}

function scene(number: number, title: string, parts: readonly string[]): void {
  console.log(`\n${styleText('bold', `${number}  ${title}`)}`);
  console.log(styleText('dim', `   ${parts.join(' · ')}`));
}

/** Runs the command as a user would type it. @returns how many seconds it took */
async function run(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<number> {
  console.log(`   $ claude-bottle ${args.join(' ')}`);
  const startedAt = performance.now();
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  const [exitCode] = await once(child, 'exit');
  if (exitCode !== 0) {
    throw new Error(`claude-bottle ${args[0]} ended with exit code ${exitCode}`);
  }
  return (performance.now() - startedAt) / 1000;
}

async function publish(ci: Ci): Promise<number> {
  const { seconds, summary } = await ci.run();
  const headline = summary.split('\n').find((line) => line.startsWith('#')) ?? '';
  console.log(`   job summary: ${headline.replaceAll(/^#+ |<\/?code>/g, '')}`);
  return seconds;
}

/** What claude-bottle does before a start, by its double: build the image, and look for the sidecar of its ID. */
function claudeBottle(checkout: string, env: NodeJS.ProcessEnv, { finds }: { finds: boolean }): void {
  const { status, error, stderr } = spawnSync('python3', [CLAUDE_BOTTLE, checkout], {
    encoding: 'utf8',
    env: { ...process.env, ...env, CLAUDE_BOTTLE_IMAGE: IMAGE },
  });
  if (error !== undefined) {
    console.log(`   claude-bottle starts: not shown, because python3 cannot be run (${error.message})`);
  } else if (status !== (finds ? 0 : 1)) {
    throw new Error(`the double of claude-bottle ended with exit code ${status}: ${stderr}`);
  } else {
    console.log(
      `   claude-bottle starts: ${finds ? 'the sidecar is there, so nothing is packed' : 'there is no sidecar, so it would pack'}`,
    );
  }
}

/** Has the real smolvm make a machine from the sidecar, which needs no KVM as long as the machine is not started. */
async function readByRealSmolvm(dir: string, store: string): Promise<void> {
  const [name = ''] = (await fs.readdir(store)).filter((file) => file.endsWith('.smolmachine'));
  try {
    const smolvm = join(await realSmolvm(READER), 'smolvm');
    const home = join(dir, 'reader');
    await fs.mkdir(home);
    const { status, stderr } = spawnSync(
      smolvm,
      ['machine', 'create', '--name', 'demo', '--from', join(store, name)],
      { encoding: 'utf8', env: { PATH: process.env.PATH, HOME: home, TMPDIR: dir } },
    );
    console.log(
      status === 0
        ? `   real smolvm ${READER} makes a machine from it`
        : `   real smolvm ${READER} refuses it: ${stderr}`,
    );
  } catch (error) {
    console.log(
      `   there is no real smolvm here to read it: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** npm's own Node can be older than ours, which comes with `npm install`. */
const [, ofNpm = ''] = /\bnode\/v(\d+\.\d+\.\d+)/.exec(process.env.npm_config_user_agent ?? '') ?? [];
if (isOlder(ofNpm || process.versions.node, '22.22.2')) {
  console.log(
    `Node ${ofNpm} is installed; claude-bottle needs 22.22.2 or later, and the demo runs on ${process.versions.node}.`,
  );
}
await withStage(play);
