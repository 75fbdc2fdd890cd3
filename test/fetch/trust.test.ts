import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { judgeOffer, type TrustOptions } from '../../src/fetch/trust.ts';
import { SigstoreDouble } from '../doubles/sigstore/sigstore.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { emptyStore } from '../store/sample-store.ts';
import { bytesOf, RECORD, statement, writeRoot } from '../trust/signed.ts';
import { startBed } from './published.ts';

const DOUBLE = new SigstoreDouble();

/** Judges what comes from a file, signed or not, as the repository's. */
async function bench() {
  const store = await emptyStore();
  const tools = await (await startBed()).tools();
  const trust: TrustOptions = {
    provenance: 'auto',
    allowOlder: false,
    allowSelfHosted: false,
    trustedRoot: await writeRoot(await tempDir(), DOUBLE),
    branches: ['main'],
  };
  const github = { ...tools.github, serverUrl: 'https://github.com' };
  const judge = async (...bundles: Buffer[]) =>
    await judgeOffer({ record: RECORD, bundles: async () => bundles }, { repository: 'acme/agents' }, trust, {
      store,
      tools: { ...tools, github },
    });
  return { store, judge };
}

test('a repository that has signed has to sign until what is remembered of it is deleted, damaged or not', async () => {
  const { store, judge } = await bench();
  expect((await judge()).verified).toBeUndefined();
  await (await judge(bytesOf(DOUBLE.sign(statement())))).remember();
  expect((await failureOf(judge())).message).toContain('acme/agents has published with provenance before');

  const [name = ''] = await fs.readdir(store.trustPlace.dir);
  const path = join(store.trustPlace.dir, name);
  await fs.writeFile(path, '');
  const { code, message, hint } = await failureOf(judge());
  expect([code, message.includes(path)]).toEqual(['not-trusted', true]);
  expect(hint).toContain('delete it');

  await fs.rm(path);
  expect((await judge()).verified).toBeUndefined();
});
