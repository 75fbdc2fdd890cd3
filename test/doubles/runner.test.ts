import { randomUUID } from 'node:crypto';
import { existsSync, watch } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { tempDir } from '../helpers/temp-dir.ts';
import { startResultsService } from './results-service/service.ts';
import { findMarker, watchArgv } from './runner/marker.ts';
import { runStep, type StepOptions, type StepResult } from './runner/runner.ts';

const CORE = import.meta.resolve('@actions/core');
const ARTIFACT = import.meta.resolve('@actions/artifact');
const CACHE = import.meta.resolve('@actions/cache');
const INPUTS = `
  name: {}
  two words: { default: 60 }
  token: { default: '\${{ github.token }}' }`;
const FAST = { sigintMs: 300, sigtermMs: 200 };

interface Fixture extends Partial<StepOptions> {
  readonly main: string;
  readonly post?: string;
  readonly postIf?: string;
}

/** A step of an action with these sources. */
async function step({
  main,
  post,
  postIf,
  ...options
}: Fixture): Promise<StepResult & { readonly dir: string }> {
  const dir = await tempDir();
  const actionDir = join(dir, 'action');
  await fs.mkdir(actionDir);
  const postLines = post === undefined ? '' : `  post: post.mjs\n${postIf ? `  post-if: ${postIf}\n` : ''}`;
  await fs.writeFile(
    join(actionDir, 'action.yml'),
    `name: fixture\ninputs:${INPUTS}\nruns:\n  using: node24\n  main: main.mjs\n${postLines}`,
  );
  const prelude = `import * as core from '${CORE}';\nimport * as fs from 'node:fs';\n`;
  await fs.writeFile(join(actionDir, 'main.mjs'), prelude + main);
  await fs.writeFile(join(actionDir, 'post.mjs'), prelude + (post ?? ''));
  const result = await runStep({
    actionDir,
    inputs: {},
    workspace: join(dir, 'work', 'repo'),
    temp: join(dir, 'temp'),
    toolCache: join(dir, 'tools'),
    ...options,
  });
  return { ...result, dir };
}

function lines(...all: string[]): string {
  return all.map((line) => `console.log(${JSON.stringify(line)});`).join('\n');
}

describe('what the action is given', () => {
  test('has inputs with their defaults as text, and a warning for one that action.yml does not know', async () => {
    const { outputs, annotations } = await step({
      inputs: { NAME: 'given', nmae: 'typo' },
      main: `for (const name of ['name', 'two words']) core.setOutput(name, core.getInput(name));
        core.setOutput('token', core.getInput('token').length > 10);`,
    });
    expect(outputs).toEqual({ name: 'given', 'two words': '60', token: 'true' });
    expect(annotations).toEqual([
      {
        level: 'warning',
        message: "Unexpected input(s) 'nmae', valid inputs are ['name', 'two words', 'token']",
      },
    ]);
  });

  test('is an environment of its own, on Node 24, in the workspace', async () => {
    const { outputs, dir } = await step({
      env: { JOB_VARIABLE: 'job' },
      ref: 'refs/tags/v1',
      event: { name: 'release', payload: { action: 'published' } },
      main: `core.setOutput('cwd', process.cwd());
        core.setOutput('node', process.versions.node.split('.')[0]);
        core.setOutput('event', fs.readFileSync(process.env.GITHUB_EVENT_PATH, 'utf8'));
        core.setOutput('env', JSON.stringify(process.env));`,
    });
    expect(outputs).toMatchObject({
      cwd: join(dir, 'work', 'repo'),
      node: '24',
      event: '{"action":"published"}',
    });
    const env = JSON.parse(outputs.env ?? '');
    expect(env).toMatchObject({
      JOB_VARIABLE: 'job',
      GITHUB_REF_NAME: 'v1',
      GITHUB_REF_TYPE: 'tag',
      GITHUB_EVENT_NAME: 'release',
      RUNNER_TEMP: join(dir, 'temp'),
    });
    expect(env).not.toHaveProperty('VITEST');
    expect(env).not.toHaveProperty('ACTIONS_RUNTIME_TOKEN');
  });
});

describe('what the action says', () => {
  test('by files, with values of several lines', async () => {
    const { outputs, state, summary, exportedEnv, addedPath } = await step({
      main: `core.setOutput('several', 'a\\nb=c\\n'); core.saveState('kept', 'x<<y');
        core.exportVariable('EXPORTED', 'one\\ntwo'); core.addPath('/added');
        await core.summary.addRaw('# done').write();`,
      post: `if (process.env.STATE_kept !== 'x<<y' || process.env.EXPORTED !== 'one\\ntwo') process.exitCode = 1;
        if (!process.env.PATH.startsWith('/added:')) process.exitCode = 1;`,
    });
    expect(outputs).toEqual({ several: 'a\nb=c\n' });
    expect(state).toEqual({ kept: 'x<<y' });
    expect({ summary, exportedEnv, addedPath }).toEqual({
      summary: '# done',
      exportedEnv: { EXPORTED: 'one\ntwo' },
      addedPath: ['/added'],
    });
  });

  test('fails the step when a file has no end of a value', async () => {
    const { outcome, annotations } = await step({
      main: `fs.appendFileSync(process.env.GITHUB_OUTPUT, 'a<<END\\nb\\n');`,
    });
    expect(outcome).toBe('failure');
    expect(annotations[0]?.message).toContain("Matching delimiter not found 'END'");
  });

  test('by lines: groups, annotations, and nothing for debug', async () => {
    const { log, groups, annotations, outcome } = await step({
      main: `core.startGroup('Pack'); core.info('inside'); core.endGroup(); core.debug('hidden');
        core.warning('100% of\\ntwo lines', { title: 'Careful' }); core.setFailed('broken');`,
    });
    expect(groups).toEqual([{ name: 'Pack', lines: ['inside'] }]);
    expect(annotations).toEqual([
      { level: 'warning', title: 'Careful', message: '100% of\ntwo lines' },
      { level: 'error', message: 'broken' },
    ]);
    expect(log).not.toContain('hidden');
    expect(outcome).toBe('failure');
  });

  test.each([
    '::set-output name=path::/evil',
    '  ::SET-OUTPUT name=path::/evil',
    '#7 0.2 ##[set-output name=path;]/evil',
    '::unknown::##[set-output name=path]/evil',
    'progress\r::set-output name=path::/evil',
  ])('obeys what a child prints: %j', async (line) => {
    const { outputs, commands } = await step({ main: lines(line) });
    expect(outputs).toEqual({ path: '/evil' });
    expect(commands).toHaveLength(1);
  });

  test.each(['#7 ::set-output name=path::/evil', '::unknown name=path::/evil', '##[set-output name=path;'])(
    'takes this for text: %j',
    async (line) => {
      const { outputs, log, commands } = await step({ main: lines(line) });
      expect({ outputs, log, commands }).toEqual({ outputs: {}, log: line, commands: [] });
    },
  );

  test('obeys nothing between stop-commands and its token', async () => {
    const evil = [
      '::set-output name=path::/evil',
      '#7 ##[save-state name=container;]other',
      '::other-token::',
    ];
    const { outputs, state, log } = await step({
      main: lines('::stop-commands::my-token', ...evil, '::my-token::', '::set-output name=path::/good'),
    });
    expect(outputs).toEqual({ path: '/good' });
    expect(state).toEqual({});
    expect(log).toContain(evil[1]);
  });

  test('refuses set-env, and fails the step', async () => {
    const { exportedEnv, outcome } = await step({ main: lines('::set-env name=LD_PRELOAD::/evil.so') });
    expect(exportedEnv).toEqual({});
    expect(outcome).toBe('failure');
  });

  test('is masked from the order on, each line of a secret too', async () => {
    const result = await step({
      secrets: ['known-from-the-start'],
      main: `console.log('early-marker'); core.setSecret('early-marker\\nsecond-marker');
        console.log('x second-marker y'); core.warning('early-marker'); console.log('known-from-the-start');
        core.setOutput('leak', 'early-marker'); await core.summary.addRaw('early-marker').write();`,
    });
    expect(result.log.split('\n')).toEqual(['early-marker', 'x *** y', '##[warning]***', '***']);
    expect(result.annotations).toEqual([{ level: 'warning', message: '***' }]);
    expect(findMarker(result, 'early-marker')).toEqual({
      log: 1,
      rawLog: 2,
      maskCommands: 1,
      annotations: 0,
      summary: 0,
      outputs: ['leak'],
      state: [],
      exportedEnv: [],
    });
  });
});

test('a marker in the arguments of a child is seen', async () => {
  const stop = watchArgv('argv-marker');
  await step({
    main: `import { spawnSync } from 'node:child_process';
      spawnSync('sh', ['-c', 'sleep 0.2; : argv-marker']);`,
  });
  expect(stop().join()).toContain('sh -c sleep 0.2; : argv-marker');
});

describe('post', () => {
  test.each([
    ['always(), after a failure', 'process.exitCode = 3;', 'always()', true],
    ['always() where action.yml says nothing', 'process.exitCode = 3;', undefined, true],
    ['success(), after a failure', 'process.exitCode = 3;', 'success()', false],
    ['success(), after a success', '', 'success()', true],
  ])('with %s', async (_, main, postIf, runs) => {
    const { post, main: mainResult } = await step({
      main,
      post: '',
      ...(postIf === undefined ? {} : { postIf }),
    });
    expect(mainResult.exitCode).toBe(main === '' ? 0 : 3);
    expect(post?.exitCode).toBe(runs ? 0 : undefined);
  });

  test('fails the job by itself', async () => {
    expect((await step({ main: '', post: `core.setFailed('left over');` })).outcome).toBe('failure');
  });
});

describe('cancelling', () => {
  const wait = `core.saveState('saved', 'yes'); console.log('ready'); setInterval(() => {}, 1000);`;
  const isReady = (line: string) => line === 'ready';
  const post = `core.setOutput('unseen', 'x'); console.log('state ' + core.getState('saved'));`;

  test('ends Node by SIGINT, leaves its children, and runs post with the state', async () => {
    const mark = randomUUID();
    const { outcome, main, log, outputs } = await step({
      main: `import { spawn } from 'node:child_process';
        spawn('sh', ['-c', 'sleep 3; : ${mark}'], { stdio: 'ignore' }); ${wait}`,
      post,
      cancelWhen: isReady,
    });
    expect({ outcome, outputs }).toEqual({ outcome: 'cancelled', outputs: {} });
    expect(main).toMatchObject({ exitCode: null, signal: 'SIGINT', killedBy: 'SIGINT' });
    expect(main.durationMs).toBeLessThan(2_000);
    expect(log).toContain('state yes');
    expect(watchArgv(mark)()).toHaveLength(1);
  });

  test('lets Node end by itself', async () => {
    const { promise: cancelWhen, resolve } = Promise.withResolvers<void>();
    const dir = await tempDir();
    const watcher = watch(dir, () => resolve());
    onTestFinished(() => watcher.close());
    const { main } = await step({
      main: `process.on('SIGINT', () => process.exit(130)); fs.writeFileSync('${dir}/ready', ''); ${wait}`,
      cancelWhen,
    });
    expect(main).toMatchObject({ exitCode: 130, signal: null, killedBy: 'SIGINT' });
  });

  test.each([
    ['SIGTERM', `process.on('SIGINT', () => {});`, 300],
    ['SIGKILL', `process.on('SIGINT', () => {}); process.on('SIGTERM', () => {});`, 500],
  ])('goes on to %s', async (signal, handlers, afterMs) => {
    const { main, post: postResult } = await step({
      main: `${handlers} ${wait}`,
      post,
      cancelWhen: isReady,
      cancelTimings: FAST,
    });
    expect(main).toMatchObject({ signal, killedBy: signal });
    expect(main.durationMs).toBeGreaterThan(afterMs);
    expect(postResult?.exitCode).toBe(0);
  });

  test('waits 7.5 s and 2.5 s as GitHub does', async () => {
    let readyAt = 0;
    const { main } = await step({
      main: `process.on('SIGINT', () => {}); process.on('SIGTERM', () => console.log('term')); ${wait}`,
      cancelWhen: (line) => {
        readyAt ||= performance.now();
        return isReady(line);
      },
    });
    expect(main.killedBy).toBe('SIGKILL');
    expect(performance.now() - readyAt).toBeGreaterThan(9_900);
    expect(performance.now() - readyAt).toBeLessThan(11_500);
  });
});

test('a child that holds the output of a Node that has ended costs five seconds', async () => {
  const { main, outcome } = await step({
    main: `import { spawn } from 'node:child_process';
      spawn('sleep', ['8'], { stdio: 'inherit', detached: true }).unref();`,
  });
  expect(outcome).toBe('success');
  expect(main.durationMs).toBeGreaterThan(4_900);
  expect(main.durationMs).toBeLessThan(7_000);
});

test('a job cancelled in the middle of an upload leaves no artifact, and its name taken', async () => {
  const dir = await tempDir();
  const results = await startResultsService({ dir: join(dir, 'blobs') });
  onTestFinished(async () => await results.close());
  results.fault = ({ comp }) => (comp === 'block' ? { kind: 'slow', bytesPerSecond: 1e6 } : undefined);
  const main = `import { DefaultArtifactClient } from '${ARTIFACT}';
    fs.writeFileSync('big.bin', Buffer.alloc(20e6)); core.info('ready');
    await new DefaultArtifactClient().uploadArtifact('', ['big.bin'], '.', { skipArchive: true });`;
  const { main: phase } = await step({
    main,
    results,
    cancelWhen: (line) => line.startsWith('Beginning upload'),
  });
  expect(phase).toMatchObject({ signal: 'SIGINT' });
  expect(results.artifacts()).toEqual([]);
  results.fault = undefined;
  const again = await step({ main, results });
  expect(again.outcome).toBe('failure');
  expect(again.log).toContain('an artifact with this name already exists');
  results.startRun();
  expect((await step({ main, results })).outcome).toBe('success');
});

test('the real cache client works in a step, and again in a step of another run', async () => {
  const dir = await tempDir();
  const results = await startResultsService({ dir: join(dir, 'blobs') });
  onTestFinished(async () => await results.close());
  const main = `import * as cache from '${CACHE}';
    const hit = await cache.restoreCache(['kept.txt'], 'key');
    core.setOutput('hit', hit ?? 'none');
    if (hit === undefined) { fs.writeFileSync('kept.txt', 'content'); await cache.saveCache(['kept.txt'], 'key'); }
    core.setOutput('content', fs.readFileSync('kept.txt', 'utf8'));`;
  const first = await step({ main, results });
  expect(first.outputs).toEqual({ hit: 'none', content: 'content' });
  results.startRun();
  const second = await step({ main, results });
  expect(second.outputs).toEqual({ hit: 'key', content: 'content' });
  expect(second.log).not.toContain(results.runtimeToken);
  expect(existsSync(join(second.dir, 'temp', '_runner_file_commands'))).toBe(false);
});
