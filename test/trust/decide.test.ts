import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { InputsKey } from '../../src/identity/inputs-key.ts';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { layoutOf } from '../../src/store/location.ts';
import { judge, type TrustOptions } from '../../src/trust/judge.ts';
import { type MemoryPlace, readMemory, remember } from '../../src/trust/trust-memory.ts';
import type { Provenance } from '../../src/trust/verify.ts';
import type { Claims } from '../doubles/sigstore/certificates.ts';
import { SigstoreDouble, workflowClaims } from '../doubles/sigstore/sigstore.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { bytesOf, RECORD, statement, writeRoot } from './signed.ts';

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

interface Case {
  readonly mode?: TrustOptions['provenance'];
  readonly bundles?: Buffer[];
  readonly record?: PackRecord;
  /** What is remembered; nothing unless told. */
  readonly at?: MemoryPlace;
  readonly allowOlder?: boolean;
  readonly roots?: string | undefined;
}

async function decide(options: Case = {}): Promise<Provenance | undefined> {
  const { mode = 'auto', bundles = [signed()], record = RECORD, allowOlder = false } = options;
  const { layout, origin } = options.at ?? (await place());
  const trust: TrustOptions = {
    provenance: mode,
    allowOlder,
    trustedRoot: 'roots' in options ? options.roots : trustedRootPath,
    allowSelfHosted: false,
    branches: ['main'],
  };
  const verified = await judge({ record, bundles: async () => bundles }, origin, trust, layout);
  return verified?.provenance;
}

async function place() {
  const layout = layoutOf(await tempDir());
  const origin = { kind: 'repository', serverUrl: 'https://github.com', repository: 'acme/agents' } as const;
  return { layout, origin };
}

/** Where a first good run is remembered. */
async function placeAfter(claims: Claims = {}) {
  const at = await place();
  const provenance = await decide({ bundles: [signed(claims)] });
  await remember(at, provenance as Provenance, KEY);
  return at;
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
    const { message, hint } = await failureOf(decide({ roots: undefined }));
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
    const { message } = await failureOf(decide({ bundles: [], at: await placeAfter() }));
    expect(message).toBe('no provenance, and acme/agents has published with provenance before');
  });
});

describe('a repository that was seen before', () => {
  it('is pinned to its ID and to that of its owner', async () => {
    const at = await placeAfter();
    expect(await readMemory(at)).toMatchObject({ repositoryId: '4711', ownerId: '42' });
    const other = await failureOf(decide({ at, bundles: [signed({ 15: '4712' })] }));
    expect(other.message).toContain('repository ID is "4712", expected 4711');
    const moved = await failureOf(decide({ at, bundles: [signed({ 17: '43' })] }));
    expect(moved.message).toContain('owner ID is "43", expected 42');
  });

  it('is known under its name however that is written, and only on its server', async () => {
    const there = await placeAfter();
    const known = (change: object) => readMemory({ ...there, origin: { ...there.origin, ...change } });
    expect(await known({ repository: 'Acme/AGENTS' })).toBeDefined();
    expect(await known({ serverUrl: 'https://ghe.example' })).toBeUndefined();
    expect(await known({ repository: 'acme/agents2' })).toBeUndefined();
  });

  it('is remembered in a private directory, and nothing else is left there', async () => {
    const there = await placeAfter();
    expect((await fs.stat(there.layout.trust)).mode & 0o777).toBe(0o700);
    expect(await fs.readdir(there.layout.trust)).toHaveLength(1);
    expect(await fs.readdir(there.layout.tmp)).toEqual([]);
  });

  it('is refused when what is known of it cannot be read, and is new again when that is deleted', async () => {
    const there = await placeAfter();
    const [name = ''] = await fs.readdir(there.layout.trust);
    const path = join(there.layout.trust, name);
    const provenance = (await decide()) as Provenance;
    for (const text of ['', '{', '{"version":3}', '[]', `{"version":1,"runs":${' '.repeat(2 ** 20)}{}}`]) {
      await fs.rm(path);
      await fs.writeFile(path, text);
      for (const work of [readMemory(there), remember(there, provenance, KEY)]) {
        const { code, message, hint } = await failureOf(work);
        expect(code).toBe('not-trusted');
        expect(message).toContain(path);
        expect(hint).toContain('delete that file, and github.com/acme/agents counts as');
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
    const keys = Array.from({ length: 8 }, (_, i) => `${i}`.repeat(64) as InputsKey);
    const provenance = (await decide()) as Provenance;
    await Promise.all(keys.map((key) => remember(there, provenance, key)));
    expect(Object.keys((await readMemory(there))?.runs ?? {}).sort()).toEqual(keys);
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
  it('to an older run for the same inputs is refused, whatever its ref', async () => {
    const at = await placeAfter(ofRun('2000', 2));
    for (const [id, attempt, ref = 'refs/heads/main'] of [
      ['1999'],
      ['999', 1, 'refs/tags/v1'],
      ['2000', 1],
    ] as const) {
      const bundles = [signed({ ...ofRun(id, attempt), 14: ref })];
      const { code, message, hint } = await failureOf(decide({ at, bundles }));
      expect(code).toBe('not-trusted');
      expect(message).toContain(
        `from run ${id}, attempt ${attempt ?? 1}; run 2000, attempt 2, was seen before`,
      );
      expect(hint).toContain('--allow-older');
    }
  });

  it('is not the same run or a newer one', async () => {
    const at = await placeAfter(ofRun('2000', 2));
    for (const claims of [ofRun('2000', 2), ofRun('2000', 3), ofRun('10000')]) {
      expect(await decide({ at, bundles: [signed(claims)] })).toBeDefined();
    }
  });

  it('does not count for other inputs, because another commit was checked out on purpose', async () => {
    const at = await placeAfter(ofRun('2000'));
    const inputs = { ...RECORD.inputs, key: 'e'.repeat(64) } as NonNullable<typeof RECORD.inputs>;
    const record = { ...RECORD, inputs };
    const bundle = DOUBLE.sign(statement({}, record), { claims: workflowClaims(ofRun('1')) });
    expect(await decide({ at, record, bundles: [bytesOf(bundle)] })).toBeDefined();
  });

  it('that is allowed does not make the older run the newest', async () => {
    const there = await placeAfter(ofRun('2000'));
    const memory = await readMemory(there);
    const older = await decide({ at: there, bundles: [signed(ofRun('1000'))], allowOlder: true });
    await remember(there, older as Provenance, KEY);
    expect(await readMemory(there)).toEqual(memory);
  });

  it('is still refused after a thousand other keys, and the memory does not grow on', async () => {
    const there = await place();
    const first = (await decide({ bundles: [signed(ofRun('2000'))] })) as Provenance;
    await remember(there, first, KEY);
    const [name = ''] = await fs.readdir(there.layout.trust);
    const path = join(there.layout.trust, name);
    const known = JSON.parse(await fs.readFile(path, 'utf8'));
    for (let i = 0; i < 1000; i += 1) {
      known.runs[`key ${i}`] = { id: '1', attempt: 1 };
    }
    await fs.rm(path);
    await fs.writeFile(path, JSON.stringify(known));
    await remember(there, first, KEY);
    const memory = await readMemory(there);
    expect(Object.keys(memory?.runs ?? {})).toHaveLength(1000);
    await failureOf(decide({ at: there, bundles: [signed(ofRun('1999'))] }));
  });

  it('is refused by what version 0.1 remembered of another ref', async () => {
    const there = await place();
    const runs = {
      [`${KEY} refs/heads/main`]: { id: '9000', attempt: 1 },
      [`${KEY} refs/tags/v1`]: { id: '7', attempt: 1 },
    };
    const memory = { version: 1, repository: 'acme/agents', repositoryId: '4711', ownerId: '42', runs };
    await remember(there, (await decide()) as Provenance, KEY);
    const [name = ''] = await fs.readdir(there.layout.trust);
    await fs.writeFile(join(there.layout.trust, name), JSON.stringify(memory));
    const bundles = [signed({ ...ofRun('100'), 14: 'refs/tags/v2' })];
    expect((await failureOf(decide({ at: there, bundles }))).message).toContain('run 9000, attempt 1');
    expect((await readMemory(there))?.branches).toEqual(['main']);
  });

  it('cannot hide behind an invalid run', async () => {
    const bundles = [signed({ 21: 'https://github.com/acme/agents/actions/runs/x/attempts/1' })];
    expect((await failureOf(decide({ bundles }))).message).toContain('provenance without a workflow run');
  });
});

describe('a memory that cannot be written', () => {
  it('is said to be so', async () => {
    const there = await place();
    await fs.mkdir(join(there.layout.trust, '..'), { recursive: true });
    await fs.writeFile(there.layout.trust, '');
    onTestFinished(() => fs.rm(there.layout.trust));
    const provenance = (await decide()) as Provenance;
    expect((await failureOf(remember(there, provenance, KEY))).message).toContain('cannot write');
  });
});
