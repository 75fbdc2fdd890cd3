import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { InputsKey } from '../../src/identity/inputs-key.ts';
import { type DecideOptions, decideProvenance } from '../../src/trust/decide.ts';
import { type MemoryPlace, readMemory, remember } from '../../src/trust/trust-memory.ts';
import type { Provenance } from '../../src/trust/verify.ts';
import type { Claims } from '../doubles/sigstore/certificates.ts';
import { SigstoreDouble, workflowClaims } from '../doubles/sigstore/sigstore.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { bytesOf, POLICY, RECORD, statement, writeRoot } from './signed.ts';

const KEY = RECORD.inputs?.key as InputsKey;
const DOUBLE = new SigstoreDouble();
let trustedRootPath: string;

beforeAll(async () => {
  const dir = await fs.mkdtemp(join(tmpdir(), 'claude-bottle-test-'));
  trustedRootPath = await writeRoot(dir, DOUBLE);
  return () => fs.rm(dir, { recursive: true });
});

function signed(claims: Claims = {}): Buffer {
  return bytesOf(DOUBLE.sign(statement(), { claims: workflowClaims(claims) }));
}

function ofRun(id: string, attempt = 1): Claims {
  return { 21: `https://github.com/acme/agents/actions/runs/${id}/attempts/${attempt}` };
}

async function decide(options: Partial<DecideOptions> = {}): Promise<Provenance | undefined> {
  const verified = await decideProvenance({
    mode: 'auto',
    bundles: [signed()],
    record: RECORD,
    policy: POLICY,
    memory: undefined,
    allowOlder: false,
    trustedRootPath,
    ...options,
  });
  return verified?.provenance;
}

async function place(): Promise<MemoryPlace> {
  const store = await tempDir();
  return {
    dir: join(store, '.pack', 'trust'),
    tmp: join(store, '.pack', 'tmp'),
    locks: join(store, '.pack', 'locks'),
    serverUrl: 'https://github.com',
    repository: 'acme/agents',
  };
}

/** What is known after a first good run. */
async function memoryAfter(claims: Claims = {}, there?: MemoryPlace) {
  const at = there ?? (await place());
  const provenance = await decide({ bundles: [signed(claims)] });
  await remember(at, provenance as Provenance, KEY);
  return await readMemory(at);
}

describe('what is published with provenance', () => {
  it.each(['auto', 'required'] as const)('is verified in the mode %s', async (mode) => {
    expect(await decide({ mode })).toMatchObject({ repository: 'https://github.com/acme/agents' });
    const bundles = [signed({ 20: 'pull_request' })];
    expect((await failureOf(decide({ mode, bundles }))).message).toContain('trigger');
  });

  it('is not looked at in the mode off', async () => {
    expect(await decide({ mode: 'off', bundles: [Buffer.from('junk')] })).toBeUndefined();
  });

  it('is good when one of its bundles is', async () => {
    const bundles = [signed({ 12: 'https://github.com/evil/agents' }), Buffer.from('junk'), signed()];
    expect(await decide({ bundles })).toMatchObject({ repositoryId: '4711' });
  });

  it('is refused for what is wrong with the first of several bad bundles', async () => {
    const bundles = [signed({ 20: 'pull_request' }), Buffer.from('junk')];
    expect((await failureOf(decide({ bundles }))).message).toContain('trigger');
  });

  it('is refused when the pack record names another commit, or none', async () => {
    for (const source of [undefined, { ...RECORD.source, commit: 'b'.repeat(40) }]) {
      const { source: _, ...rest } = RECORD;
      const record = { ...rest, ...(source && { source }) } as typeof RECORD;
      const bundles = [bytesOf(DOUBLE.sign(statement({}, record)))];
      const { message } = await failureOf(decide({ record, bundles }));
      expect(message).toContain(`commit of the pack record is ${source ? '"bbb' : 'none'}`);
    }
  });

  it('is verified with the roots that are built in, unless the user names another', async () => {
    const { message, hint } = await failureOf(decide({ trustedRootPath: undefined }));
    expect(message).toContain('no trust root (public-good and github) covers');
    expect(hint).toContain('--trusted-root');
  });
});

describe('what is published without provenance', () => {
  it('is taken in the mode auto from a repository that is new here', async () => {
    expect(await decide({ bundles: [] })).toBeUndefined();
  });

  it('is refused in the mode required', async () => {
    const { code, message } = await failureOf(decide({ mode: 'required', bundles: [] }));
    expect(code).toBe('not-trusted');
    expect(message).toBe('no provenance, and one is required');
  });

  it('is refused from a repository that has signed before', async () => {
    const { message } = await failureOf(decide({ bundles: [], memory: await memoryAfter() }));
    expect(message).toBe('no provenance, and acme/agents has published with provenance before');
  });
});

describe('a repository that was seen before', () => {
  it('is pinned to its ID and to that of its owner', async () => {
    const memory = await memoryAfter();
    expect(memory).toMatchObject({ repositoryId: '4711', ownerId: '42' });
    const other = await failureOf(decide({ memory, bundles: [signed({ 15: '4712' })] }));
    expect(other.message).toContain('repository ID is "4712", expected 4711');
    const moved = await failureOf(decide({ memory, bundles: [signed({ 17: '43' })] }));
    expect(moved.message).toContain('owner ID is "43", expected 42');
  });

  it('is known under its name however that is written, and only on its server', async () => {
    const there = await place();
    await memoryAfter({}, there);
    expect(await readMemory({ ...there, repository: 'Acme/AGENTS' })).toBeDefined();
    expect(await readMemory({ ...there, serverUrl: 'https://ghe.example' })).toBeUndefined();
    expect(await readMemory({ ...there, repository: 'acme/agents2' })).toBeUndefined();
  });

  it('is remembered in a private directory, and nothing else is left there', async () => {
    const there = await place();
    await memoryAfter({}, there);
    expect((await fs.stat(there.dir)).mode & 0o777).toBe(0o700);
    expect(await fs.readdir(there.dir)).toHaveLength(1);
    expect(await fs.readdir(there.tmp)).toEqual([]);
  });

  it('is refused when what is known of it cannot be read, and is new again when that is deleted', async () => {
    const there = await place();
    await memoryAfter({}, there);
    const [name = ''] = await fs.readdir(there.dir);
    const path = join(there.dir, name);
    const provenance = (await decide()) as Provenance;
    for (const text of ['', '{', '{"version":2}', '[]', `{"version":1,"runs":${' '.repeat(2 ** 20)}{}}`]) {
      await fs.rm(path);
      await fs.writeFile(path, text);
      for (const work of [readMemory(there), remember(there, provenance, KEY)]) {
        const { code, message, hint } = await failureOf(work);
        expect(code).toBe('not-trusted');
        expect(message).toContain(path);
        expect(hint).toContain(`delete it and acme/agents is new here again`);
      }
      expect(await fs.readFile(path, 'utf8')).toBe(text);
    }
    await fs.rm(path);
    await fs.mkdir(path);
    expect((await failureOf(readMemory(there))).code).toBe('not-trusted');
    await fs.rmdir(path);
    expect(await readMemory(there)).toBeUndefined();
  });

  it('keeps what several fetches learn of it at once', async () => {
    const there = await place();
    const refs = Array.from({ length: 8 }, (_, i) => `refs/tags/v${i}`);
    const seen = await Promise.all(refs.map((ref) => decide({ bundles: [signed({ 14: ref })] })));
    await Promise.all(seen.map((provenance) => remember(there, provenance as Provenance, KEY)));
    const memory = await readMemory(there);
    expect(Object.keys(memory?.runs ?? {}).sort()).toEqual(refs.map((ref) => `${KEY} ${ref}`));
  });

  it('stays the one that was pinned first, when two are seen at once under the name', async () => {
    const there = await place();
    const [first, second] = [await decide(), await decide({ bundles: [signed({ 15: '4712', 17: '43' })] })];
    await remember(there, first as Provenance, KEY);
    const { code, message } = await failureOf(remember(there, second as Provenance, KEY));
    expect(code).toBe('not-trusted');
    expect(message).toContain('repository ID is "4712", expected 4711');
    expect(await readMemory(there)).toMatchObject({ repositoryId: '4711', ownerId: '42' });
  });
});

describe('a rollback', () => {
  it('to an older run for the same inputs and the same ref is refused', async () => {
    const memory = await memoryAfter(ofRun('2000', 2));
    for (const [id, attempt] of [['1999'], ['999'], ['2000', 1]] as const) {
      const bundles = [signed(ofRun(id, attempt))];
      const { code, message, hint } = await failureOf(decide({ memory, bundles }));
      expect(code).toBe('not-trusted');
      expect(message).toContain(
        `from run ${id}, attempt ${attempt ?? 1}; run 2000, attempt 2, was seen before`,
      );
      expect(hint).toContain('--allow-older');
    }
  });

  it('is none for the same run, a newer one, or another ref', async () => {
    const memory = await memoryAfter(ofRun('2000', 2));
    for (const claims of [
      ofRun('2000', 2),
      ofRun('2000', 3),
      ofRun('10000'),
      { ...ofRun('1'), 14: 'refs/tags/v1' },
    ]) {
      expect(await decide({ memory, bundles: [signed(claims)] })).toBeDefined();
    }
  });

  it('is none for other inputs: another commit was checked out on purpose', async () => {
    const memory = await memoryAfter(ofRun('2000'));
    const inputs = { ...RECORD.inputs, key: 'e'.repeat(64) } as NonNullable<typeof RECORD.inputs>;
    const record = { ...RECORD, inputs };
    const bundle = DOUBLE.sign(statement({}, record), { claims: workflowClaims(ofRun('1')) });
    expect(await decide({ memory, record, bundles: [bytesOf(bundle)] })).toBeDefined();
  });

  it('that is allowed does not make the older run the newest', async () => {
    const there = await place();
    const memory = await memoryAfter(ofRun('2000'), there);
    const older = await decide({ memory, bundles: [signed(ofRun('1000'))], allowOlder: true });
    await remember(there, older as Provenance, KEY);
    expect(await readMemory(there)).toEqual(memory);
  });

  it('is still refused after a thousand other refs, and the memory does not grow on', async () => {
    const there = await place();
    const first = (await decide({ bundles: [signed(ofRun('2000'))] })) as Provenance;
    await remember(there, first, KEY);
    const [name = ''] = await fs.readdir(there.dir);
    const path = join(there.dir, name);
    const known = JSON.parse(await fs.readFile(path, 'utf8'));
    for (let i = 0; i < 1000; i += 1) {
      known.runs[`${KEY} refs/tags/v${i}`] = { id: '1', attempt: 1 };
    }
    await fs.rm(path);
    await fs.writeFile(path, JSON.stringify(known));
    await remember(there, first, KEY);
    const memory = await readMemory(there);
    expect(Object.keys(memory?.runs ?? {})).toHaveLength(1000);
    await failureOf(decide({ memory, bundles: [signed(ofRun('1999'))] }));
  });

  it('cannot hide behind a run that is none', async () => {
    const bundles = [signed({ 21: 'https://github.com/acme/agents/actions/runs/x/attempts/1' })];
    expect((await failureOf(decide({ bundles }))).message).toContain('provenance without a workflow run');
  });
});

describe('a memory that cannot be written', () => {
  it('is said to be so', async () => {
    const there = await place();
    await fs.mkdir(join(there.dir, '..'), { recursive: true });
    await fs.writeFile(there.dir, '');
    onTestFinished(() => fs.rm(there.dir));
    const provenance = (await decide()) as Provenance;
    expect((await failureOf(remember(there, provenance, KEY))).message).toContain('cannot write');
  });
});
