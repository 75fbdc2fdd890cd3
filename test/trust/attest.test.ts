import { describe, expect, it } from 'vitest';
import { type AttestMode, requireAttestPermissions } from '../../src/publish/attest.ts';
import { layoutOf } from '../../src/store/location.ts';
import { judge } from '../../src/trust/judge.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { attest, RUN } from './attested.ts';
import { POLICY, RECORD } from './signed.ts';

async function verify(bundle: string, trustedRootPath: string) {
  const { serverUrl, repository, branches, allowSelfHosted } = POLICY;
  const trust = {
    provenance: 'required',
    allowOlder: false,
    trustedRoot: trustedRootPath,
    branches,
    allowSelfHosted,
  } as const;
  const verified = await judge(
    { record: RECORD, bundles: async () => [Buffer.from(bundle)] },
    { kind: 'repository', serverUrl, repository },
    trust,
    layoutOf(await tempDir()),
  );
  return verified?.provenance;
}

describe('an attestation by @actions/attest', () => {
  it('of a public repository is in the log, and verifies', async () => {
    const { value, services, trustedRootPath, message } = await attest('required', {
      isPublicRepository: true,
    });
    expect(message).toBeUndefined();
    expect(services.requests).toContain('rekor.sigstore.dev /api/v1/log/entries');
    expect(await verify(value.bundle, trustedRootPath)).toMatchObject({
      repository: 'https://github.com/acme/agents',
      commit: RUN.sha,
      runUri: 'https://github.com/acme/agents/actions/runs/1000/attempts/1',
    });
    expect(value.id).toBe(7);
    expect(services.kept).toEqual([{ bundle: JSON.parse(value.bundle) }]);
  });

  it('of a private repository leaves no trace in public, and verifies', async () => {
    const { value, services, trustedRootPath } = await attest('auto', { isPublicRepository: false });
    expect(services.requests.filter((request) => request.includes('sigstore.dev'))).toEqual([]);
    expect(services.requests).toContain('timestamp.githubapp.com /api/v1/timestamp');
    expect(await verify(value.bundle, trustedRootPath)).toMatchObject({ commit: RUN.sha });
    expect(services.kept).toEqual([]);
  });

  it('of a run for a pull request is made, and not believed', async () => {
    const run = { ...RUN, ref: 'refs/pull/7/merge', event_name: 'pull_request' };
    const { value, trustedRootPath } = await attest('auto', { isPublicRepository: true, run });
    await expect(verify(value.bundle, trustedRootPath)).rejects.toMatchObject({
      code: 'not-trusted',
      message: expect.stringContaining('refs/pull/7/merge'),
    });
  });

  it('that GitHub does not keep fails in the mode required, and says what to do', async () => {
    const refused = await attest('required', {
      isPublicRepository: false,
      refusal: {
        status: 403,
        message: 'Feature not available for user-owned private repositories. Upgrade.',
      },
    });
    expect(refused.code).toBe('authentication');
    expect(refused.message).toContain('Feature not available for user-owned private repositories');
    expect(refused.hint).toContain('set attest to auto');
    const forbidden = await attest('required', {
      isPublicRepository: true,
      refusal: { status: 403, message: 'Resource not accessible by integration' },
    });
    expect(forbidden.code).toBe('authentication');
    expect(forbidden.hint).toContain('attestations: write');
  });

  it('by a job without an OIDC token says why it cannot be', async () => {
    const env = { ACTIONS_ID_TOKEN_REQUEST_URL: '', ACTIONS_ID_TOKEN_REQUEST_TOKEN: '' };
    const { message } = await attest('auto', { isPublicRepository: true, env });
    expect(message).toMatch(/^cannot attest the sidecar: .*ACTIONS_ID_TOKEN_REQUEST_URL/);
  });
});

describe('the permission to attest', () => {
  it.each<[AttestMode, boolean, boolean]>([
    ['auto', true, true],
    ['auto', false, false],
    ['required', true, true],
    ['off', true, false],
    ['off', false, false],
  ])('in the mode %s with an OIDC token (%s) is %s', (mode, hasIdToken, expected) => {
    expect(requireAttestPermissions(hasIdToken, mode)).toBe(expected);
  });

  it('that is missing in the mode required is named before anything is built', () => {
    expect(() => requireAttestPermissions(false, 'required')).toThrow(
      expect.objectContaining({
        code: 'authentication',
        message: expect.stringContaining('id-token: write'),
        hint: expect.stringMatching(/id-token: write and attestations: write/),
      }),
    );
  });
});
