import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Output } from '../../src/cli/output.ts';
import { verbs } from '../../src/cli/verbs.ts';
import { asBottleError } from '../../src/errors.ts';
import { id16, parseImageId } from '../../src/identity/image-id.ts';
import { originOfCheckout } from '../../src/identity/origin.ts';
import { knowsSigner } from '../../src/store/by-key.ts';
import { installPacked } from '../../src/store/install.ts';
import { Store } from '../../src/store/store.ts';
import type { Checkout } from '../helpers/checkout.ts';
import { fixedEngine } from '../helpers/fixed-engine.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { checkoutOf, LOCAL, type Published, publish, writeTrustedRoot } from './origin-bed.ts';

/** The first one signs. */
const REPOSITORIES = ['acme/tools', 'mallory/tools'] as const;
type Repository = (typeof REPOSITORIES)[number];

const VERBS = [
  ...['fetch', 'fetch --no-bind', 'fetch --provenance required', 'fetch --offline'],
  ...['bind', 'bind --replace', 'path', 'pack', 'exec', 'exec --offline', 'export'],
] as const;

type Step =
  | { readonly verb: (typeof VERBS)[number]; readonly by: Repository; readonly which: number }
  /** A sidecar is packed on this machine, under the name of the image that both repositories build. */
  | { readonly verb: 'packed here'; readonly which: number };

const which = fc.nat({ max: 1 });
const by = fc.constantFrom(...REPOSITORIES);
const someStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ verb: fc.constantFrom(...VERBS), by, which }) },
  { weight: 1, arbitrary: fc.record({ verb: fc.constant('packed here' as const), which }) },
);
const firstFetches: Step[] = REPOSITORIES.map((repository) => ({ verb: 'fetch', by: repository, which: 0 }));
/** Most begin with a fetch, because without a sidecar there is little to mix up. */
const someSteps = fc
  .tuple(fc.shuffledSubarray(firstFetches), fc.array(someStep, { minLength: 8, maxLength: 10 }))
  .map(([first, others]) => [...first, ...others]);

interface Side {
  readonly checkout: Checkout;
  readonly published: readonly [Published, Published];
}

/** Everything that is made once: what both repositories have published, and what this machine packs. */
interface World {
  readonly root: string;
  readonly sides: Readonly<Record<Repository, Side>>;
  readonly packed: readonly [Published, Published];
}

/** Runs a command line in this process. */
async function run(line: readonly string[]): Promise<{ exitCode: number; lines: readonly string[] }> {
  const lines: string[] = [];
  let exitCode = 0;
  const output: Output = {
    onProgress: () => {},
    digest: (text) => text,
    interrupt: () => {},
    interrupted: () => {},
    result: (_, result) => lines.push(...result),
    note: () => {},
    error: () => {},
  };
  const context = { output, signal: new AbortController().signal, releaseSignals: () => {} };
  const program = new Command().exitOverride();
  const commands = verbs(async (start) => {
    exitCode = await start(context);
  });
  for (const command of commands.flatMap(([, each]) => each)) {
    program.addCommand(command);
  }
  try {
    await program.parseAsync(line, { from: 'user' });
  } catch (error) {
    exitCode = asBottleError(error, 'no hint').exitCode;
  }
  return { exitCode, lines };
}

async function makeWorld(): Promise<World> {
  const acme = await checkoutOf('git@github.com:acme/tools.git');
  const mallory = await checkoutOf('git@github.com:mallory/tools.git');
  const ofMallory = { repository: 'mallory/tools', packedAt: '2099-01-01T00:00:00.000Z' };
  const ofAcme = { repository: 'acme/tools' };
  return {
    root: await writeTrustedRoot(await tempDir()),
    sides: {
      // The second one is from before it signed.
      'acme/tools': {
        checkout: acme,
        published: [await publish(acme, { ...ofAcme, isSigned: true }), await publish(acme, ofAcme)],
      },
      'mallory/tools': {
        checkout: mallory,
        published: [
          await publish(mallory, ofMallory),
          await publish(mallory, { ...ofMallory, imageId: LOCAL }),
        ],
      },
    },
    packed: [await publish(acme), await publish(mallory)],
  };
}

/** The bytes that a step gives to its checkout: none when it fails. */
async function bytesGivenBy(step: Step, dir: string, { root, sides, packed }: World): Promise<Buffer[]> {
  const storeDir = join(dir, 'store');
  const store = await Store.open(storeDir);
  if (step.verb === 'packed here') {
    const { path, record } = packed[step.which] as Published;
    await store.withTemp(async (temp) => {
      const file = join(temp, 'sidecar');
      await fs.copyFile(path, file);
      await installPacked(store, parseImageId(LOCAL), file, record);
    });
    return [];
  }
  const { verb, by } = step;
  const { checkout, published } = sides[by];
  const out = await fs.mkdtemp(join(dir, 'out-'));
  const place = ['--context', checkout.dir, '--store', storeDir];
  const name = store.pathFor(id16(parseImageId(LOCAL)));
  const [command = '', ...flags] = verb.split(' ');
  const source = ['--from', `file:${published[step.which]?.path}`, '--trusted-root', root];
  const boot = ['--', 'sh', '-c', '[ ! -e "$0" ] || cp "$0" "$1"', name, join(out, 'booted')];
  const further: Record<string, readonly string[]> = {
    fetch: [...source, '--print-path'],
    exec: [...source, ...boot],
    pack: ['--no-kvm-check'],
    export: [out],
  };
  const { exitCode, lines } = await run([command, ...place, ...flags, ...(further[command] ?? [])]);
  const files =
    exitCode !== 0
      ? []
      : ['exec', 'export'].includes(command)
        ? (await fs.readdir(out)).filter((each) => !each.endsWith('.json')).map((each) => join(out, each))
        : lines;
  return await Promise.all(files.map((file) => fs.readFile(file)));
}

/** What a checkout may get: its own repository's sidecars, and those that were packed on this machine. */
async function allowedTo(by: Repository, dir: string, { sides, packed }: World): Promise<Published[]> {
  const { layout } = await Store.open(join(dir, 'store'));
  const [first, second] = sides[by].published;
  const isSigned = await knowsSigner(layout, originOfCheckout('https://github.com', by));
  return [first, ...(isSigned ? [] : [second]), ...packed];
}

test('two repositories with the same files share a store, and in no order of commands their sidecars', async () => {
  const { env } = await fixedEngine(LOCAL);
  for (const [variable, value] of Object.entries({ ...env, GH_TOKEN: '', GITHUB_TOKEN: '' })) {
    vi.stubEnv(variable, value);
  }
  onTestFinished(() => void vi.unstubAllEnvs());
  const world = await makeWorld();
  const given = new Set<string>();
  const property = fc.asyncProperty(someSteps, async (steps) => {
    const dir = await tempDir();
    for (const step of steps) {
      const bytes = await bytesGivenBy(step, dir, world);
      if (step.verb !== 'packed here' && bytes.length > 0) {
        const allowed = await allowedTo(step.by, dir, world);
        const isAllowed = (each: Buffer) => allowed.some((published) => published.bytes.equals(each));
        expect(bytes.every(isAllowed), `${step.verb} in ${step.by}`).toBe(true);
        given.add(`${step.verb} in ${step.by}`);
      }
    }
  });
  await fc.assert(property, { seed: 12, numRuns: 10 });
  // Nothing is proved about a command that never succeeds.
  expect(VERBS.filter((verb) => !REPOSITORIES.some((each) => given.has(`${verb} in ${each}`)))).toEqual([]);
}, 900_000);
