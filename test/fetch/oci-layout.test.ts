import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { BottleError } from '../../src/errors.ts';
import { copySpan } from '../../src/fetch/file-span.ts';
import { layoutSource } from '../../src/fetch/oci-layout.ts';
import type { FileSpan, Offer } from '../../src/fetch/source.ts';
import { writeLayout } from '../../src/store/oci-layout.ts';
import { tarHeader } from '../../src/tar/write.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { KEY, recordOf, SIDECAR, sha256, WANTED } from './published.ts';

const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';
const IMAGE_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const SIDECAR_TYPE = 'application/vnd.smolmachines.smolmachine.v1';
const CONFIG_TYPE = 'application/vnd.smolmachines.machine.config.v1+json';
const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const BUNDLE = Buffer.from('{"bundle": "one"}');
const { signal } = new AbortController();

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** A layout in the making, as a list of entries of a tar; it shares no code with what it tests. */
class LayoutDraft {
  readonly entries: Array<{ path: string; bytes: Buffer }> = [
    { path: 'oci-layout', bytes: Buffer.from('{"imageLayoutVersion": "1.0.0"}') },
  ];

  blob(mediaType: string, content: unknown): Descriptor {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    this.entries.push({ path: `blobs/sha256/${sha256(bytes)}`, bytes });
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length };
  }

  sidecar(record: unknown = recordOf(SIDECAR), bytes = SIDECAR): Descriptor {
    return this.blob(IMAGE_TYPE, {
      schemaVersion: 2,
      mediaType: IMAGE_TYPE,
      artifactType: SIDECAR_TYPE,
      config: this.blob(CONFIG_TYPE, { a: 'config' }),
      layers: [this.blob(SIDECAR_TYPE, bytes)],
      annotations: { 'dev.claude-bottle.pack-record': JSON.stringify(record) },
    });
  }

  bundle(subject: Descriptor, content = BUNDLE): Descriptor {
    return this.blob(IMAGE_TYPE, {
      schemaVersion: 2,
      artifactType: BUNDLE_TYPE,
      config: this.blob('application/vnd.oci.empty.v1+json', {}),
      layers: [this.blob(BUNDLE_TYPE, content)],
      subject,
    });
  }

  index(...manifests: unknown[]): Descriptor {
    return this.blob(INDEX_TYPE, { schemaVersion: 2, mediaType: INDEX_TYPE, manifests });
  }

  top(...manifests: unknown[]): this {
    const index = { schemaVersion: 2, manifests };
    this.entries.push({ path: 'index.json', bytes: Buffer.from(JSON.stringify(index)) });
    return this;
  }

  find(path: string): { path: string; bytes: Buffer } {
    const entry = this.entries.find((each) => each.path === path);
    if (entry === undefined) {
      throw new Error(`no ${path}`);
    }
    return entry;
  }

  /** Equal blobs once, as every tool writes them. */
  tar(): Buffer {
    const entries = new Map(this.entries.map((entry) => [entry.path, entry]));
    return Buffer.concat([...[...entries.values()].map(({ path, bytes }) => tarEntry(path, bytes)), END]);
  }
}

const END = Buffer.alloc(1024);

function tarEntry(path: string, bytes: Buffer, { type = '0', size = bytes.length, link = '' } = {}): Buffer {
  const header = Buffer.alloc(512);
  header.write(path, 0);
  header.write('0000644\0'.padEnd(24, '0'), 100);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0        ', 136);
  header.write(type, 156);
  header.write(link, 157);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, bytes, Buffer.alloc(-bytes.length & 511)]);
}

let path: string;

beforeEach(async () => {
  path = join(await tempDir(), 'agent.oci.tar');
});

function find(wanted = WANTED) {
  return layoutSource(path, { signal }).find(wanted);
}

async function findIn(tar: Buffer, wanted = WANTED) {
  await fs.writeFile(path, tar);
  return await find(wanted);
}

async function offerIn(tar: Buffer, wanted = WANTED): Promise<Offer> {
  const found = await findIn(tar, wanted);
  if ('skipped' in found) {
    throw new Error(found.skipped);
  }
  return found;
}

async function contentOf({ content }: Offer): Promise<Buffer> {
  const { span } = content as { span: FileSpan };
  const target = join(await tempDir(), 'sidecar');
  await copySpan(path, span, target, { signal, onBytes: () => {} });
  return await fs.readFile(target);
}

function good(): LayoutDraft {
  const draft = new LayoutDraft();
  const sidecar = draft.sidecar();
  return draft.top(
    { ...draft.index({ ...sidecar, platform: { os: 'linux', architecture: 'amd64' } }) },
    draft.bundle(sidecar),
  );
}

describe('a layout in a tar', () => {
  test('has the sidecar, its record and its bundle', async () => {
    const offer = await offerIn(good().tar());
    expect(offer).toMatchObject({ record: recordOf(SIDECAR), address: `layout:${path}` });
    expect((await contentOf(offer)).equals(SIDECAR)).toBe(true);
    expect(await offer.bundles()).toEqual([BUNDLE]);
  });

  test('may list the manifest itself, and be made by GNU tar from a directory', async () => {
    const draft = new LayoutDraft();
    draft.top(draft.sidecar());
    const dir = await tempDir();
    for (const { path: name, bytes } of draft.entries) {
      await fs.mkdir(dirname(join(dir, name)), { recursive: true });
      await fs.writeFile(join(dir, name), bytes);
    }
    for (const format of ['gnu', 'pax', 'ustar']) {
      execFileSync('tar', ['-C', dir, `--format=${format}`, '-cf', path, '.']);
      const found = (await find()) as Offer;
      expect((await contentOf(found)).equals(SIDECAR)).toBe(true);
    }
  });

  test('gives the sidecar for these inputs, and otherwise the first for the platform', async () => {
    const draft = new LayoutDraft();
    const other = { ...recordOf(SIDECAR), inputs: { ...recordOf(SIDECAR).inputs, key: '9'.repeat(64) } };
    const arm = { ...recordOf(SIDECAR), platform: 'linux/arm64' };
    const first = draft.sidecar(other);
    draft.top(draft.sidecar(arm), first, draft.sidecar());
    const tar = draft.tar();
    expect((await offerIn(tar)).record.inputs?.key).toBe(KEY);
    const unknown = { ...WANTED, key: 'f'.repeat(64) as typeof KEY };
    expect((await offerIn(tar, unknown)).record.inputs?.key).toBe('9'.repeat(64));
    expect(await offerIn(tar, { ...WANTED, platform: 'linux/arm64' })).toMatchObject({ record: arm });
  });

  test('does not give the bundle of another sidecar', async () => {
    const draft = new LayoutDraft();
    const other = draft.sidecar({ ...recordOf(SIDECAR), platform: 'linux/arm64' });
    draft.top(draft.sidecar(), other, draft.bundle(other));
    expect(await (await offerIn(draft.tar())).bundles()).toEqual([]);
  });

  test('without a sidecar for the platform says which it has', async () => {
    expect(await findIn(good().tar(), { ...WANTED, platform: 'linux/arm64' })).toEqual({
      skipped: `${path} has no sidecar for linux/arm64, only for linux/amd64`,
    });
    expect(await findIn(new LayoutDraft().top().tar())).toEqual({
      skipped: `${path} has no sidecar for linux/amd64, and none for others`,
    });
  });
});

describe('an archive that is not what it should be', () => {
  const header = (name: string, options: Parameters<typeof tarEntry>[2]) =>
    tarEntry(name, Buffer.alloc(0), options);
  const withFirst = (extra: Buffer) => Buffer.concat([extra, good().tar()]);
  const changed = (change: (draft: LayoutDraft) => void) => {
    const draft = good();
    change(draft);
    return draft.tar();
  };
  const layer = `blobs/sha256/${sha256(SIDECAR)}`;
  const listing = (...manifests: unknown[]) => new LayoutDraft().top(...manifests).tar();

  test.each<[string, Buffer, RegExp]>([
    ['a symlink', withFirst(header('x', { type: '2', link: '/etc/passwd' })), /holds "x", a symlink/],
    ['a hard link', withFirst(header('x', { type: '1', link: 'y' })), /holds "x", a hardlink/],
    ['a device', withFirst(header('x', { type: '3' })), /a character-device/],
    ['a sparse file', withFirst(header('x', { type: 'S' })), /holds "x", a sparse/],
    ['a way out', withFirst(tarEntry('../../x', Buffer.from('x'))), /"\.\.\/\.\.\/x", a path that leads out/],
    ['an absolute path', withFirst(tarEntry('/x', Buffer.from('x'))), /"\/x", a path that leads out/],
    ['two index.json', withFirst(tarEntry('index.json', Buffer.from('{}'))), /holds index\.json twice/],
    ['two equal blobs', withFirst(tarEntry(layer, SIDECAR)), /holds blobs\/sha256\/\S+ twice/],
    ['./ before the second', withFirst(tarEntry(`./${layer}`, SIDECAR)), /twice/],
    [
      'an entry beyond the end',
      withFirst(header('x', { size: 8 ** 11 - 1 })),
      /the tar stream ends \d+ bytes/,
    ],
    ['no layout', Buffer.concat([tarEntry('x', Buffer.from('x')), END]), /no oci-layout at its top/],
    ['a directory above', Buffer.concat([tarEntry('a/oci-layout', Buffer.from('{}')), END]), /at its top/],
    ['nothing', Buffer.alloc(0), /without an end marker/],
    ['compressed', gzipSync(good().tar()), /no OCI image layout in a tar/],
    ['data behind the end', Buffer.concat([good().tar(), Buffer.from('x')]), /behind the end marker/],
    [
      'another version',
      changed((draft) => {
        draft.find('oci-layout').bytes = Buffer.from('{"imageLayoutVersion": "2.0.0"}');
      }),
      /oci-layout in \S+ is not what the OCI asks for/,
    ],
    [
      'an index that is an image',
      changed((draft) => {
        draft.find('index.json').bytes = Buffer.from('{"schemaVersion": 2, "layers": []}');
      }),
      /index\.json in \S+ is not what/,
    ],
    [
      'a giant index',
      changed((draft) => {
        draft.find('index.json').bytes = Buffer.alloc(5_000_000, ' ');
      }),
      /index\.json in \S+ has 5000000 bytes, more than 4194304/,
    ],
    [
      'a deep index',
      changed((draft) => {
        draft.find('index.json').bytes = Buffer.from('['.repeat(2_000_000) + ']'.repeat(2_000_000));
      }),
      /index\.json in \S+ is not/,
    ],
    [
      'a missing manifest',
      listing({ mediaType: IMAGE_TYPE, digest: `sha256:${'0'.repeat(64)}`, size: 2 }),
      /lacks the blob sha256:0{64}/,
    ],
    [
      'too many manifests',
      listing(
        ...Array.from({ length: 10_001 }, (_, i) => ({
          mediaType: IMAGE_TYPE,
          digest: `sha256:${i.toString(16).padStart(64, '0')}`,
          size: 2,
        })),
      ),
      /more than 10000 manifests/,
    ],
    [
      'a missing sidecar',
      changed((draft) => {
        draft.find(layer).path = 'elsewhere';
      }),
      /lacks the blob sha256:/,
    ],
    [
      'a longer sidecar',
      changed((draft) => {
        draft.find(layer).bytes = Buffer.concat([SIDECAR, Buffer.from('x')]);
      }),
      /has 50001 bytes, expected 50000/,
    ],
    [
      'a changed bundle',
      changed((draft) => {
        draft.find(`blobs/sha256/${sha256(BUNDLE)}`).bytes = Buffer.from(BUNDLE).fill('x', 3, 4);
      }),
      /has the SHA-256/,
    ],
    [
      'the record of another sidecar',
      (() => {
        const draft = new LayoutDraft();
        return draft.top(draft.sidecar(recordOf(Buffer.from('other')))).tar();
      })(),
      /and its pack record says/,
    ],
  ])('is damaged: %s', async (_, tar, message) => {
    const error = await failureOf(findIn(tar));
    expect(error).toMatchObject({ code: 'sidecar-damaged', message: expect.stringMatching(message) });
    expect(error.message.length).toBeLessThan(500);
  });

  test('a directory is refused with the way to make a file of it', async () => {
    await fs.mkdir(path);
    expect(await failureOf(find())).toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('tar -C DIR -cf FILE .'),
    });
  });

  test('a pipe is refused, and not waited for', async () => {
    execFileSync('mkfifo', [path]);
    expect(await failureOf(find())).toMatchObject({ code: 'usage' });
  });

  test('a file with a hole of terabytes is looked through without reading the hole', async () => {
    const holeBytes = 4 * 1024 ** 4;
    const file = await fs.open(path, 'wx');
    await file.write(tarHeader('hole', holeBytes), 0, 512, 0);
    const rest = good().tar();
    await file.write(rest, 0, rest.length, 512 + holeBytes);
    await file.close();
    expect(await find()).toMatchObject({ record: recordOf(SIDECAR) });
  });
});

test('whatever byte changes, what arrives is the sidecar that was exported, or an error of 65', async () => {
  const sidecar = SIDECAR.subarray(0, 3000);
  const draft = new LayoutDraft();
  const image = draft.sidecar(recordOf(sidecar), sidecar);
  const tar = draft.top(draft.index(image), draft.bundle(image)).tar();
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: tar.length - 1 }),
      fc.integer({ min: 1, max: 255 }),
      async (position, flips) => {
        const damaged = Buffer.from(tar);
        damaged[position] = (damaged[position] ?? 0) ^ flips;
        try {
          const found = await findIn(damaged);
          if ('skipped' in found) {
            // A word of index.json that this reader passes over: then there is nothing to have.
            expect(found.skipped).toMatch(/no sidecar for/);
            return;
          }
          expect(found.record).toEqual(recordOf(sidecar));
          const content = await contentOf(found);
          // `receive` compares with the record.
          expect(content.equals(sidecar) || sha256(content) !== found.record.sidecar.sha256).toBe(true);
        } catch (error) {
          if (!(error instanceof BottleError)) {
            throw error;
          }
          expect(error).toMatchObject({ exitCode: 65 });
          refused += 1;
        }
      },
    ),
    { numRuns: 200 },
  );
  expect(refused).toBeGreaterThan(0);
});

describe('a tar that is written', () => {
  test('has headers for files of more than 8 GiB that other tools read', async () => {
    const file = join(await tempDir(), 'large.tar');
    await fs.writeFile(file, tarHeader('blobs/x', 12_345_678_901));
    await fs.truncate(file, 512 + 12_345_679_360 + 1024);
    expect(execFileSync('tar', ['-tvf', file], { encoding: 'utf8' })).toMatch(/12345678901 .*blobs\/x/);
    const script = 'import sys,tarfile;print(*((m.name,m.size) for m in tarfile.open(sys.argv[1])))';
    expect(execFileSync('python3', ['-c', script, file], { encoding: 'utf8' })).toContain('12345678901');
  });

  test('is not written when a file is another than it should be', async () => {
    const source = join(await tempDir(), 'a');
    await fs.writeFile(source, SIDECAR);
    const content = {
      index: Buffer.from('{}'),
      blobs: [],
      files: [{ path: source, sha256: createHash('sha256').digest('hex'), sizeBytes: SIDECAR.length }],
    };
    const error = await failureOf(writeLayout(path, content, { signal, onBytes: () => {} }));
    expect(error).toMatchObject({ code: 'sidecar-damaged' });
    expect(await fs.readdir(dirname(path))).toEqual([]);
  });
});
