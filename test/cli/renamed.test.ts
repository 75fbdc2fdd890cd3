import * as fs from 'node:fs/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type GitHub, startGitHub } from '../doubles/github/github.ts';
import { runCli } from '../helpers/cli.ts';
import { checkoutOf, machine, type Publish, publish } from './origin-bed.ts';

const OWNER = 500;

/** A machine with a checkout whose remote has one name of a repository, which GitHub knows under two. */
async function renamed({ remote, now, before }: { remote: string; now: string; before: string }) {
  const github = await startGitHub();
  onTestFinished(() => github.close());
  const repository = github.addRepository(now, { formerName: before });
  const world = await machine();
  const checkout = await checkoutOf(`https://github.com/${remote}.git`);
  const pack = async (options: Publish) => {
    const ids = { repository: repository.id, owner: OWNER };
    const serverUrl = github.env.GITHUB_SERVER_URL;
    return await publish(checkout, { isSigned: true, ids, serverUrl, ...options });
  };
  const fetch = async (options: Publish, { env }: Pick<GitHub, 'env'> = github) => {
    const { path, record } = await pack(options);
    return await runCli(
      [
        ...['fetch', '--context', checkout.dir, '--from', `file:${path}`, '--sha256', record.sidecar.sha256],
        ...['--trusted-root', world.root, '--json'],
      ],
      { ...world.env, ...env },
    );
  };
  return { ...world, repository, pack, fetch };
}

describe('a repository that has another name now', { timeout: 120_000 }, () => {
  test.each([
    ['renamed', 'acme/agent-tools'],
    ['transferred', 'umbrella/tools'],
  ])('because it was %s is followed when GitHub confirms that it is the same', async (_, now) => {
    for (const [remote, signed] of [
      ['acme/tools', now],
      [now, 'acme/tools'],
    ] as const) {
      const { fetch, name } = await renamed({ remote, now, before: 'acme/tools' });
      const fetched = await fetch({ repository: signed });
      expect(fetched, fetched.stderr).toMatchObject({ exitCode: 0 });
      expect(JSON.parse(fetched.stdout)).toMatchObject({ bound: { outcome: 'bound', path: name } });
    }
  });

  test('is followed also when its sidecars were signed under the old name, and by another owner, before', async () => {
    const now = 'umbrella/tools';
    const { fetch, repository } = await renamed({ remote: 'acme/tools', now, before: 'acme/tools' });
    expect((await fetch({ repository: 'acme/tools' })).exitCode).toBe(0);
    const ids = { repository: repository.id, owner: OWNER + 1 };
    const fetched = await fetch({ repository: now, ids, runId: 2000 });
    expect(fetched, fetched.stderr).toMatchObject({ exitCode: 0 });
  });

  test('is refused with the command to type when GitHub cannot be asked', async () => {
    const { fetch, name } = await renamed({
      ...{ remote: 'acme/tools', now: 'acme/agent-tools', before: 'acme/tools' },
    });
    const offline = {
      env: { GITHUB_SERVER_URL: 'http://127.0.0.1:9', GITHUB_API_URL: 'http://127.0.0.1:9' },
    };
    const refused = await fetch({ repository: 'acme/agent-tools' }, offline);
    expect(refused).toMatchObject({ exitCode: 76 });
    expect(refused.stderr).toContain('claude-bottle fetch --repo acme/agent-tools');
    await expect(fs.lstat(name)).rejects.toThrow('ENOENT');
  });

  test('is not believed when someone else has the name, or when the signature is of another repository', async () => {
    const names = { remote: 'acme/tools', now: 'acme/agent-tools', before: 'acme/tools' };
    const { fetch, repository } = await renamed(names);
    const stranger = { repository: repository.id + 1000, owner: OWNER };
    expect(await fetch({ repository: 'acme/agent-tools', ids: stranger })).toMatchObject({
      exitCode: 76,
      stderr: expect.stringContaining('repository ID'),
    });
    const refused = await fetch({ repository: 'mallory/tools', ids: stranger });
    expect(refused, refused.stderr).toMatchObject({ exitCode: 76 });
  });
});
