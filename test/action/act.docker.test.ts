import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { expect, test } from 'vitest';
import { readChild } from '../../src/host/child.ts';
import { packRecordSchema } from '../../src/identity/pack-record.ts';
import { type ActionJob, actionJob } from '../helpers/action-job.ts';
import { DOUBLE_DIR } from '../helpers/cli.ts';
import { run } from '../helpers/small-image.ts';

const ROOT = join(import.meta.dirname, '../..');
const PATH = [join(ROOT, 'node_modules/.bin'), process.env.PATH].join(delimiter);
const HAS_ACT = PATH.split(delimiter).some((dir) => existsSync(join(dir, 'act')));
const REPOSITORY = 'octo-org/octo-repo';
const AUTHOR = ['-c', 'user.name=octo', '-c', 'user.email=octo@example.org'];

/** Its later steps have the outputs only, as a user's. act takes `checkout` from the repository, not from GitHub. */
const WORKFLOW = `on: push
jobs:
  pack:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v6
      - id: pack
        uses: ./
        with:
          context: context
          smolvm-path: ${join(DOUBLE_DIR, 'smolvm')}
          kvm-check: "false"
          restore: "true"
      - run: echo "$SHA256  $SIDECAR" | sha256sum --check
        env:
          SHA256: \${{ steps.pack.outputs.sidecar-sha256 }}
          SIDECAR: \${{ steps.pack.outputs.sidecar-path }}
      - run: echo "$OUTPUTS" > "$OUTPUTS_FILE"
        env:
          OUTPUTS: \${{ toJSON(steps.pack.outputs) }}
`;

/** Makes the job's workspace a repository with the action and a workflow. Returns the commit. */
async function makeRepository({ workspace }: ActionJob): Promise<string> {
  await fs.cp(join(ROOT, 'action.yml'), join(workspace, 'action.yml'));
  await fs.cp(join(ROOT, 'dist'), join(workspace, 'dist'), { recursive: true });
  await fs.mkdir(join(workspace, '.github/workflows'), { recursive: true });
  await fs.writeFile(join(workspace, '.github/workflows/pack.yml'), WORKFLOW);
  const git = async (...args: string[]) => (await run('git', ['-C', workspace, ...AUTHOR, ...args])).stdout;
  await git('init', '--quiet', '--initial-branch=main');
  await git('remote', 'add', 'origin', `https://github.com/${REPOSITORY}`);
  await git('add', '.');
  await git('commit', '--quiet', '--no-gpg-sign', '--message=An agent');
  return (await git('rev-parse', 'HEAD')).trim();
}

/** Runs the workflow, whose steps must all succeed, and returns the action's outputs. */
async function runWorkflow({ dir, workspace, results }: ActionJob): Promise<Record<string, string>> {
  const home = join(dir, 'home');
  const outputs = join(dir, 'outputs.json');
  await fs.mkdir(home, { recursive: true });
  const args = [
    'push',
    '--platform=ubuntu-latest=-self-hosted',
    '--container-daemon-socket=-',
    '--no-cache-server',
    // Else it asks gh for one; without one the action asks GitHub nothing.
    '--secret=GITHUB_TOKEN=',
    // Removes its directories after a failure, too.
    '--rm',
  ];
  const env = {
    ...results.env,
    PATH,
    HOME: home,
    TMPDIR: join(dir, 'tmp'),
    OUTPUTS_FILE: outputs,
    // Else it asks a server of its makers.
    ACT_DISABLE_VERSION_CHECK: '1',
    ...(process.env.DOCKER_HOST && { DOCKER_HOST: process.env.DOCKER_HOST }),
  };
  const { exitCode, stdout, tail } = await readChild('act', args, { cwd: workspace, env });
  expect(exitCode, [stdout, ...tail].join('\n')).toBe(0);
  expect(stdout).toContain('Success - Post ./');
  expect(await fs.readdir(join(home, '.cache/act'))).toEqual([]);
  return JSON.parse(await fs.readFile(outputs, 'utf8'));
}

test.skipIf(!HAS_ACT)(
  'act runs it twice: it packs and uploads, and then takes the sidecar from the cache',
  async () => {
    const job = await actionJob();
    const { results } = job;
    const commit = await makeRepository(job);

    const first = await runWorkflow(job);
    expect(first).toMatchObject({ 'cache-hit': 'false', 'cache-match': 'none' });
    expect(first['image-id']).toMatch(new RegExp(`^sha256:${first.id16}[0-9a-f]{48}$`));
    const name = `smolmachine-linux-amd64-${first['inputs-key']?.slice(0, 16)}.smolmachine`;
    expect(results.artifacts()).toMatchObject([
      { name, digest: first['artifact-digest'] },
      { name: `${name}.json` },
      { name: `${name}.frames` },
    ]);
    expect(hash('sha256', await results.readArtifact(name))).toBe(first['sidecar-sha256']);
    const record = packRecordSchema.parse(
      JSON.parse((await results.readArtifact(`${name}.json`)).toString()),
    );
    expect(record.source).toMatchObject({
      repository: REPOSITORY,
      commit,
      ref: 'refs/heads/main',
      event: 'push',
    });
    const cached = results.cacheEntries();
    expect(cached.map(({ key }) => key)).toEqual([
      expect.stringContaining(first['image-id']?.slice('sha256:'.length) ?? 'no image ID'),
      expect.stringContaining(first['inputs-key'] ?? 'no inputs key'),
    ]);
    expect(await job.left()).toEqual([]);

    results.startRun();
    const second = await runWorkflow(job);
    expect(second).toMatchObject({ 'cache-hit': 'true', 'cache-match': 'inputs' });
    expect(second['sidecar-sha256']).toBe(first['sidecar-sha256']);
    expect(results.cacheEntries()).toEqual(cached);
    expect(hash('sha256', await results.readArtifact(name))).toBe(first['sidecar-sha256']);
    // Without a token it cannot ask for the artifact of the first run, and uploads none as its own work.
    expect(results.artifacts()).toHaveLength(3);
    expect(results.requests.filter(({ status }) => status === undefined || status >= 400)).toEqual([]);
    expect(await job.left()).toEqual([]);
  },
);
