import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Policy } from '../../src/trust/policy.ts';
import { builtInRoots, readRoots } from '../../src/trust/roots.ts';
import { verifyProvenance } from '../../src/trust/verify.ts';
import { SigstoreDouble } from '../doubles/sigstore/sigstore.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { writeRoot } from './signed.ts';

/** Made by the real services; real/README.md says where they are from. */
const REAL = join(import.meta.dirname, 'real');
const A_TXT = 'a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf';
const BEACON: Policy = {
  serverUrl: 'https://github.com',
  repository: 'sigstore-conformance/extremely-dangerous-public-oidc-beacon',
  branches: ['main'],
  allowSelfHosted: false,
};

async function verifyReal(name: string, roots = builtInRoots()) {
  const bundle = await fs.readFile(join(REAL, name));
  return verifyProvenance(bundle, { fileSha256: A_TXT, recordSha256: A_TXT, policy: BEACON, roots });
}

describe('the roots that are built in', () => {
  it('vouch for what the public Sigstore has signed for a workflow', async () => {
    expect(await verifyReal('public-good.sigstore.json')).toMatchObject({
      root: 'public-good',
      commit: '82a3bfe6dd50fe9c71d6315eae66da15307856cf',
      repositoryId: '632596897',
      trigger: 'workflow_dispatch',
      issuedAt: '2024-12-16T18:42:56.000Z',
    });
  });

  it('vouch for what GitHub has signed itself, which is not provenance of a workflow', async () => {
    const { message } = await failureOf(verifyReal('github-release.sigstore.json'));
    expect(message).toBe("the provenance's certificate has 0 extensions for the issuer, expected 1");
  });

  it('do not vouch for what the other one has signed', async () => {
    const [publicGood, github] = builtInRoots();
    const bad = [
      await failureOf(verifyReal('public-good.sigstore.json', github && [github])),
      await failureOf(verifyReal('github-release.sigstore.json', publicGood && [publicGood])),
    ];
    for (const { code, message } of bad) {
      expect(code).toBe('not-trusted');
      expect(message).toContain('which no trust root');
    }
  });
});

describe('a trusted root of the user’s own', () => {
  it('is read from lines of JSON, as gh prints them, and from one JSON that is printed prettily', async () => {
    const dir = await tempDir();
    const double = new SigstoreDouble();
    expect(await readRoots(await writeRoot(dir, double))).toHaveLength(2);
    const pretty = join(dir, 'trusted_root.json');
    await fs.writeFile(pretty, JSON.stringify(double.trustedRoot(), undefined, 2));
    expect(await readRoots(pretty)).toMatchObject([{ name: `${pretty} (1)` }]);
  });

  it.each([
    ['nothing', ''],
    ['no JSON', 'roots\n'],
    ['JSON of another kind', '{"certificateAuthorities":[]}'],
    ['null', 'null'],
    ['wrong types', '{"certificateAuthorities":7}'],
    [
      'invalid certificates',
      '{"certificateAuthorities":[{"certChain":{"certificates":[{"rawBytes":"AAAA"}]}}]}',
    ],
  ])('that is %s is refused as the user’s mistake', async (_, text) => {
    const path = join(await tempDir(), 'root.json');
    await fs.writeFile(path, text);
    const { code, hint } = await failureOf(readRoots(path));
    expect(code).toBe('usage');
    expect(hint).toContain('gh attestation trusted-root');
  });

  it('that is larger than 4 MiB is refused unread', async () => {
    const path = join(await tempDir(), 'root.json');
    await fs.writeFile(
      path,
      JSON.stringify(new SigstoreDouble().trustedRoot()) + ' '.repeat(4 * 1024 * 1024),
    );
    expect((await failureOf(readRoots(path))).code).toBe('usage');
  });

  it('that is not there is said to be so', async () => {
    expect((await failureOf(readRoots('/nonexistent/root.json'))).message).toContain(
      '/nonexistent/root.json',
    );
  });
});
