import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { type Published, type RangeFault, type UpdateBed, updateBed } from './update-bed.ts';

const REPOSITORY = 'acme/tools';
/** One changed frame, with what follows the last one. */
const SMALL_CHANGE_BYTES = 200_000;

test("frames are copied from a repository's own sidecars, and never from those of another repository", async () => {
  const bed = await updateBed();
  const theirs = await bed.publish('mallory/tools', []);
  expect(await expectFetched(bed, theirs)).toBe(theirs.bytes.length);
  const first = await bed.publish(REPOSITORY, [1]);
  expect(await expectFetched(bed, first), 'all of the first one of acme/tools').toBe(first.bytes.length);
  const second = await bed.publish(REPOSITORY, [2]);
  expect(await expectFetched(bed, second), 'what has changed').toBeLessThan(SMALL_CHANGE_BYTES);
});

describe('an update', { timeout: 120_000 }, () => {
  test.each<[string, (published: Published) => Buffer]>([
    ['a changed byte', ({ index }) => Buffer.from(index.toString().replace(/[1-9](?=,)/, '0'))],
    ['no end', ({ index }) => index.subarray(0, index.length >> 1)],
    ['more than its record says', ({ index }) => Buffer.concat([index, index])],
    ['nothing', () => Buffer.of()],
  ])('whose frame index has %s is downloaded as a whole, which is said once', async (_, tamper) => {
    const bed = await bedWithOlder();
    bed.indexOf = tamper;
    const update = await bed.publish(REPOSITORY, [3, 4]);
    const { stderr } = await expectGood(bed, update);
    expect(stderr.match(/the frame index cannot be used/g)).toHaveLength(1);
  });

  test.each<RangeFault>(['whole', 'refused', 'shifted', 'flipped'])(
    'from a server whose answer to a range is %s is right in the end, which is said once',
    async (fault) => {
      const bed = await bedWithOlder();
      bed.rangeFault = () => fault;
      const { stderr } = await expectGood(bed, await bed.publish(REPOSITORY, [3, 4]));
      expect(stderr.match(/warning:/g)).toHaveLength(1);
    },
  );

  test('from a server that never has the right bytes is refused, and the next run asks for the changed ones alone', async () => {
    const bed = await bedWithOlder();
    const update = await bed.publish(REPOSITORY, [3]);
    const good = Buffer.from(update.bytes);
    const at = update.bytes.length >> 3;
    update.bytes[at] = (update.bytes[at] ?? 0) ^ 1;
    bed.rangeFault = () => 'flipped';
    expect(await bed.fetch(update)).toMatchObject({ exitCode: 65 });
    await expect(fs.lstat(bed.objectOf(update))).rejects.toThrow('ENOENT');
    good.copy(update.bytes);
    bed.rangeFault = () => undefined;
    expect((await expectGood(bed, update)).sentBytes).toBeLessThan(SMALL_CHANGE_BYTES);
  });

  test('of an older sidecar that is damaged takes its good frames', async () => {
    const { bed, older } = await bedAndOlder();
    const damaged = Buffer.from(older.bytes).fill(0, 500_000, 500_010);
    await overwrite(bed.objectOf(older), damaged);
    const { sentBytes } = await expectGood(bed, await bed.publish(REPOSITORY, [15]));
    expect(sentBytes).toBeLessThan(older.bytes.length / 2);
  });

  test.each([
    ['removed', async (path: string) => await fs.rm(path)],
    ['cut off', async (path: string) => await overwrite(path, Buffer.alloc(1000))],
    [
      'replaced by a link to a device',
      async (path: string) => {
        await fs.rm(path);
        await fs.symlink('/dev/zero', path);
      },
    ],
  ])('of an older sidecar that is %s while it is read is right', async (_, spoil) => {
    const { bed, older } = await bedAndOlder();
    let isSpoiled = false;
    bed.onRequest = async (url) => {
      if (url.endsWith('.frames')) {
        await spoil(bed.objectOf(older));
        isSpoiled = true;
      }
    };
    await expectGood(bed, await bed.publish(REPOSITORY, [3]));
    expect(isSpoiled).toBe(true);
  });
});

async function bedAndOlder(): Promise<{ readonly bed: UpdateBed; readonly older: Published }> {
  const bed = await updateBed();
  const older = await bed.publish(REPOSITORY, []);
  await expectFetched(bed, older);
  return { bed, older };
}

async function bedWithOlder(): Promise<UpdateBed> {
  return (await bedAndOlder()).bed;
}

/** @returns how many bytes of the sidecar the server has sent */
async function expectFetched(bed: UpdateBed, published: Published): Promise<number> {
  return (await expectGood(bed, published)).sentBytes;
}

async function expectGood(bed: UpdateBed, published: Published) {
  const result = await bed.fetch(published);
  expect(result.exitCode, result.stderr).toBe(0);
  const bytes = await fs.readFile(bed.objectOf(published));
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(published.sha256);
  return result;
}

/** A file of the store is for reading only, also for its owner. */
async function overwrite(path: string, bytes: Buffer): Promise<void> {
  await fs.chmod(path, 0o644);
  await fs.writeFile(path, bytes);
}
