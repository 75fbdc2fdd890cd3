import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ResultsService } from '../results-service/service.ts';
import { type ActionManifest, readActionManifest } from './action-manifest.ts';
import { parsePairs } from './file-command.ts';
import { type Annotation, type Group, type ObeyedCommand, type Phase, StepLog } from './step-log.ts';

export interface StepOptions {
  /** Holds action.yml. */
  readonly actionDir: string;
  /** What stands under `with`. */
  readonly inputs: Readonly<Record<string, string>>;
  /** These three are made where they are missing, and so is the directory `home` beside `temp`. */
  readonly workspace: string;
  readonly temp: string;
  readonly toolCache: string;
  /** Of the job; has the last word, also over GITHUB_ and RUNNER_ variables, and PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** Without it, a push to the default branch. */
  readonly event?: { readonly name: string; readonly payload?: unknown };
  /** Without it, there is neither cache nor artifacts. */
  readonly results?: ResultsService;
  /** Without it, `octo-org/octo-repo`. */
  readonly repository?: string;
  /** Without it, `refs/heads/main`. */
  readonly ref?: string;
  /** What `${{ github.token }}` stands for. */
  readonly githubToken?: string;
  /** Secrets of the repository: masked from the start. */
  readonly secrets?: readonly string[];
  /** Cancels the job while main runs: at a line that main prints (before masking), or when the promise is fulfilled. */
  readonly cancelWhen?: ((line: string) => boolean) | Promise<void>;
  readonly cancelTimings?: CancelTimings;
  /** As when the machine is lost after main. */
  readonly noPost?: boolean;
}

/** How long the runner waits after SIGINT, and after SIGTERM. */
export interface CancelTimings {
  readonly sigintMs: number;
  readonly sigtermMs: number;
}

export interface PhaseResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly durationMs: number;
  /** The last signal that the runner sent, whether Node died of it or ended in its own way. */
  readonly killedBy?: 'SIGINT' | 'SIGTERM' | 'SIGKILL';
}

export interface StepResult {
  readonly outcome: 'success' | 'failure' | 'cancelled';
  readonly main: PhaseResult;
  readonly post?: PhaseResult;
  /** Of main; those of post are seen by nobody. */
  readonly outputs: Readonly<Record<string, string>>;
  /** As main left it. */
  readonly state: Readonly<Record<string, string>>;
  /** As uploaded: masked, empty when it is over 1 MiB. */
  readonly summary: string;
  readonly masks: readonly string[];
  readonly annotations: readonly Annotation[];
  readonly groups: readonly Group[];
  /** As a user sees it: commands obeyed, secrets masked. */
  readonly log: string;
  /** What main and post printed. */
  readonly rawLog: string;
  /** Those that the runner obeyed. */
  readonly commands: readonly ObeyedCommand[];
  readonly exportedEnv: Readonly<Record<string, string>>;
  readonly addedPath: readonly string[];
}

const NODE = join(import.meta.dirname, '../../../node_modules/node/bin/node');
const CANCEL_TIMINGS: CancelTimings = { sigintMs: 7_500, sigtermMs: 2_500 };
/** How long the runner waits for a child that holds the output of a Node that has ended. */
const HELD_OUTPUT_MS = 5_000;
const MAX_SUMMARY_BYTES = 1 << 20;
const FILE_COMMANDS = ['output', 'state', 'env', 'path', 'step_summary'] as const;

/** Runs one step of a job, main and post, as actions/runner does; README.md says what it models. */
export async function runStep(options: StepOptions): Promise<StepResult> {
  const manifest = await readActionManifest(options.actionDir);
  return await new Step(options, manifest).run();
}

class Step {
  readonly #options: StepOptions;
  readonly #manifest: ActionManifest;
  readonly #log = new StepLog();
  readonly #exportedEnv: Record<string, string> = {};
  #addedPath: string[] = [];
  #summary = '';
  #isCancelled = false;
  readonly #home: string;
  readonly #scratch: readonly [fileCommands: string, workflow: string];

  constructor(options: StepOptions, manifest: ActionManifest) {
    this.#options = options;
    this.#manifest = manifest;
    this.#home = join(dirname(options.temp), 'home');
    this.#scratch = [join(options.temp, '_runner_file_commands'), join(options.temp, '_github_workflow')];
  }

  async run(): Promise<StepResult> {
    const { workspace, temp, toolCache, noPost = false } = this.#options;
    for (const dir of [workspace, temp, toolCache, this.#home, ...this.#scratch]) {
      await fs.mkdir(dir, { recursive: true });
    }
    try {
      await this.#writeEvent();
      this.#maskSecrets();
      this.#warnOfUnknownInputs();
      const { runs } = this.#manifest;
      const main = await this.#runPhase('main', runs.main);
      const outcome = this.#isCancelled ? 'cancelled' : this.#hasFailed(main) ? 'failure' : 'success';
      const state = { ...this.#log.state };
      const wantsPost = runs['post-if'] === 'always()' || outcome === 'success';
      const post =
        runs.post !== undefined && wantsPost && !noPost ? await this.#runPhase('post', runs.post) : undefined;
      return {
        outcome: post !== undefined && outcome === 'success' && this.#hasFailed(post) ? 'failure' : outcome,
        main,
        ...(post === undefined ? {} : { post }),
        outputs: this.#log.outputs,
        state,
        summary: this.#log.mask(this.#summary),
        masks: this.#log.masks,
        annotations: this.#log.annotations,
        groups: this.#log.groups,
        log: this.#log.shown.join('\n'),
        rawLog: this.#log.raw.join('\n'),
        commands: this.#log.commands,
        exportedEnv: this.#exportedEnv,
        addedPath: this.#addedPath,
      };
    } finally {
      for (const dir of this.#scratch) {
        await fs.rm(dir, { recursive: true, force: true });
      }
    }
  }

  #hasFailed({ exitCode }: PhaseResult): boolean {
    return exitCode !== 0 || this.#log.hasFailed;
  }

  async #runPhase(phase: Phase, script: string): Promise<PhaseResult> {
    this.#log.startPhase(phase);
    const path = join(this.#options.actionDir, script);
    if (!existsSync(path)) {
      throw new Error(`action.yml names ${script}, which is not there`);
    }
    const files = await this.#makeFileCommands();
    const startedAt = performance.now();
    try {
      const child = spawn(NODE, [path], {
        cwd: this.#options.workspace,
        env: { ...this.#environment(), ...files.env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      return await this.#follow(child, phase, startedAt);
    } finally {
      await this.#readFileCommands(files.paths);
    }
  }

  async #follow(child: ChildProcess, phase: Phase, startedAt: number): Promise<PhaseResult> {
    const { cancelWhen, cancelTimings = CANCEL_TIMINGS } = this.#options;
    let killedBy: PhaseResult['killedBy'];
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const failed = new Promise<never>((_, reject) => child.once('error', reject));
    const hasExited = () => child.exitCode !== null || child.signalCode !== null;

    const cancel = async () => {
      const graces = { SIGINT: cancelTimings.sigintMs, SIGTERM: cancelTimings.sigtermMs, SIGKILL: 0 };
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
        if (hasExited()) {
          return;
        }
        killedBy = signal;
        child.kill(signal);
        const timer = new AbortController();
        await Promise.race([
          exited,
          sleep(graces[signal], undefined, { signal: timer.signal }).catch(() => {}),
        ]);
        timer.abort();
      }
    };
    let cancelled: Promise<void> | undefined;
    const startCancel = () => {
      if (phase === 'main' && cancelled === undefined && !hasExited()) {
        this.#isCancelled = true;
        cancelled = cancel();
      }
    };
    const onLine = (line: string) => {
      this.#log.read(line);
      if (typeof cancelWhen === 'function' && phase === 'main' && cancelWhen(line)) {
        startCancel();
      }
    };
    if (cancelWhen instanceof Promise) {
      void cancelWhen.then(startCancel);
    }
    const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
    for (const stream of streams) {
      readLines(stream, onLine);
    }
    await Promise.race([exited, failed]);
    const timer = new AbortController();
    const held = sleep(HELD_OUTPUT_MS, undefined, { signal: timer.signal }).catch(() => {});
    await Promise.race([closed, held]);
    timer.abort();
    for (const stream of streams) {
      stream.destroy();
    }
    await cancelled;
    return {
      exitCode: child.exitCode,
      signal: child.signalCode,
      durationMs: performance.now() - startedAt,
      ...(killedBy === undefined ? {} : { killedBy }),
    };
  }

  #maskSecrets(): void {
    const { secrets = [], results } = this.#options;
    for (const secret of [this.#githubToken(), ...(results ? [results.runtimeToken] : []), ...secrets]) {
      this.#log.addMask(secret);
    }
  }

  #githubToken(): string {
    return this.#options.githubToken ?? 'ghs_0123456789abcdefghijklmnopqrstuvwxyz';
  }

  #warnOfUnknownInputs(): void {
    const valid = Object.keys(this.#manifest.inputs);
    const given = Object.keys(this.#options.inputs);
    const unexpected = given.filter((name) => !valid.some((known) => sameInput(known, name)));
    if (unexpected.length > 0) {
      this.#log.annotate(
        'warning',
        `Unexpected input(s) '${unexpected.join("', '")}', valid inputs are ['${valid.join("', '")}']`,
      );
    }
    for (const [name, { deprecationMessage }] of Object.entries(this.#manifest.inputs)) {
      if (deprecationMessage !== undefined && given.some((other) => sameInput(other, name))) {
        this.#log.annotate(
          'warning',
          `Input '${name}' has been deprecated with message: ${deprecationMessage}`,
        );
      }
    }
  }

  #inputVariables(): Record<string, string> {
    const given = Object.entries(this.#options.inputs);
    const defaults = Object.entries(this.#manifest.inputs).filter(
      ([name]) => !given.some(([other]) => sameInput(other, name)),
    );
    return Object.fromEntries([
      ...given.map(([name, value]) => [inputVariable(name), value]),
      ...defaults.map(([name, input]) => [inputVariable(name), this.#evaluate(input.default ?? '')]),
    ]);
  }

  #evaluate(text: string): string {
    return text.replace(/\$\{\{\s*(.*?)\s*\}\}/g, (_, expression: string) => {
      if (expression !== 'github.token') {
        throw new Error(`the expression ${expression} in action.yml is not modelled`);
      }
      return this.#githubToken();
    });
  }

  #environment(): Record<string, string> {
    const { env = {}, results } = this.#options;
    const path = env.PATH ?? this.#exportedEnv.PATH ?? process.env.PATH ?? '';
    return {
      ...(process.env.DOCKER_HOST === undefined ? {} : { DOCKER_HOST: process.env.DOCKER_HOST }),
      HOME: this.#home,
      LANG: 'C.UTF-8',
      CI: 'true',
      ...this.#githubVariables(),
      ...this.#runnerVariables(),
      ...results?.env,
      ...env,
      ...this.#exportedEnv,
      ...this.#inputVariables(),
      ...(this.#log.phase === 'post'
        ? Object.fromEntries(Object.entries(this.#log.state).map(([name, value]) => [`STATE_${name}`, value]))
        : {}),
      PATH: [...this.#addedPath.toReversed(), path].join(':'),
    };
  }

  #githubVariables(): Record<string, string> {
    const {
      repository = 'octo-org/octo-repo',
      ref = 'refs/heads/main',
      event,
      workspace,
      results,
    } = this.#options;
    // The real one is out of reach on purpose: nothing listens on the discard port.
    const apiUrl = results?.apiUrl ?? 'http://127.0.0.1:9';
    const [owner = ''] = repository.split('/');
    const sha = '0123456789abcdef0123456789abcdef01234567';
    return {
      GITHUB_ACTIONS: 'true',
      GITHUB_ACTION: '__self',
      GITHUB_ACTOR: 'octocat',
      GITHUB_ACTOR_ID: '583231',
      GITHUB_API_URL: apiUrl,
      GITHUB_BASE_REF: '',
      GITHUB_EVENT_NAME: event?.name ?? 'push',
      GITHUB_EVENT_PATH: join(this.#scratch[1], 'event.json'),
      GITHUB_GRAPHQL_URL: `${apiUrl}/graphql`,
      GITHUB_HEAD_REF: '',
      GITHUB_JOB: 'pack',
      GITHUB_REF: ref,
      GITHUB_REF_NAME: ref.replace(/^refs\/(heads|tags|pull)\//, ''),
      GITHUB_REF_PROTECTED: 'false',
      GITHUB_REF_TYPE: ref.startsWith('refs/tags/') ? 'tag' : 'branch',
      GITHUB_REPOSITORY: repository,
      GITHUB_REPOSITORY_ID: '123456789',
      GITHUB_REPOSITORY_OWNER: owner,
      GITHUB_REPOSITORY_OWNER_ID: '987654',
      GITHUB_RETENTION_DAYS: '90',
      GITHUB_RUN_ATTEMPT: '1',
      GITHUB_RUN_ID: results?.runId ?? '1658821493',
      GITHUB_RUN_NUMBER: '3',
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_SHA: sha,
      GITHUB_TRIGGERING_ACTOR: 'octocat',
      GITHUB_WORKFLOW: 'pack',
      GITHUB_WORKFLOW_REF: `${repository}/.github/workflows/pack.yml@${ref}`,
      GITHUB_WORKFLOW_SHA: sha,
      GITHUB_WORKSPACE: workspace,
    };
  }

  #runnerVariables(): Record<string, string> {
    const { workspace, temp, toolCache } = this.#options;
    return {
      RUNNER_ARCH: 'X64',
      RUNNER_ENVIRONMENT: 'github-hosted',
      RUNNER_NAME: 'GitHub Actions 2',
      RUNNER_OS: 'Linux',
      RUNNER_TEMP: temp,
      RUNNER_TOOL_CACHE: toolCache,
      RUNNER_TRACKING_ID: `github_${randomUUID()}`,
      RUNNER_WORKSPACE: dirname(workspace),
    };
  }

  async #writeEvent(): Promise<void> {
    const { event, repository = 'octo-org/octo-repo', ref = 'refs/heads/main' } = this.#options;
    const payload = event?.payload ?? {
      ref,
      repository: { full_name: repository, id: 123_456_789, fork: false, default_branch: 'main' },
    };
    await fs.writeFile(join(this.#scratch[1], 'event.json'), JSON.stringify(payload));
  }

  async #makeFileCommands() {
    const suffix = randomUUID();
    const paths = new Map(FILE_COMMANDS.map((name) => [name, join(this.#scratch[0], `${name}_${suffix}`)]));
    for (const path of paths.values()) {
      await fs.writeFile(path, '');
    }
    const env = Object.fromEntries([...paths].map(([name, path]) => [`GITHUB_${name.toUpperCase()}`, path]));
    return { paths, env };
  }

  async #readFileCommands(paths: ReadonlyMap<(typeof FILE_COMMANDS)[number], string>): Promise<void> {
    for (const [name, path] of paths) {
      try {
        await this.#readFileCommand(name, path);
      } catch (error) {
        this.#log.fail(`Unable to process file command '${name}' successfully. ${error}`);
      }
      await fs.rm(path, { force: true });
    }
  }

  async #readFileCommand(name: (typeof FILE_COMMANDS)[number], path: string): Promise<void> {
    if (!existsSync(path)) {
      return;
    }
    const text = await fs.readFile(path, 'utf8');
    switch (name) {
      case 'output':
        if (this.#log.phase === 'main') {
          Object.assign(this.#log.outputs, Object.fromEntries(parsePairs(text)));
        }
        break;
      case 'state':
        Object.assign(this.#log.state, Object.fromEntries(parsePairs(text)));
        break;
      case 'env':
        for (const [variable, value] of parsePairs(text)) {
          if (variable.toUpperCase() === 'NODE_OPTIONS') {
            throw new Error(`Can't store ${variable} output parameter using '$GITHUB_ENV' command.`);
          }
          this.#exportedEnv[variable] = value;
        }
        break;
      case 'path':
        for (const line of text.split('\n').filter((entry) => entry !== '')) {
          this.#addedPath = [...this.#addedPath.filter((entry) => entry !== line), line];
        }
        break;
      case 'step_summary':
        if (Buffer.byteLength(text) > MAX_SUMMARY_BYTES) {
          this.#log.annotate(
            'error',
            `$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k, got ${Math.floor(Buffer.byteLength(text) / 1024)}k.`,
          );
        } else {
          this.#summary += text;
        }
        break;
    }
  }
}

/** Input names differ neither by case nor by a space for `_`. */
function sameInput(a: string, b: string): boolean {
  return inputVariable(a) === inputVariable(b);
}

function inputVariable(name: string): string {
  return `INPUT_${name.replaceAll(' ', '_').toUpperCase()}`;
}

/** A lone carriage return ends a line too, as for .NET's StreamReader. */
function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8').on('data', (text: string) => {
    const all = rest + text;
    // What may be the first half of CRLF waits for the second.
    const isHalf = all.endsWith('\r');
    const lines = (isHalf ? all.slice(0, -1) : all).split(/\r\n|\n|\r/);
    rest = `${lines.pop()}${isHalf ? '\r' : ''}`;
    lines.forEach(onLine);
  });
  const flush = () => {
    if (rest !== '') {
      onLine(rest.replace(/\r$/, ''));
      rest = '';
    }
  };
  stream.on('end', flush).on('close', flush);
}
