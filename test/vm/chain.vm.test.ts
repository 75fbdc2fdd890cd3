import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import type { RealVersion } from '../../scripts/real-smolvm.ts';
import { type Images, prepareImages, runChain } from './chain.ts';
import { documentedDifferences, runtimePaths, touchedPaths } from './documented.ts';
import type { Ran } from './guest/commands.ts';
import { differences, parseListing } from './listing.ts';
import { type ChainReport, type Report, STALLED, type Stage } from './report.ts';

/** The oldest supported version, one between and the newest. */
const VERSIONS: ReadonlyArray<{
  version: RealVersion;
  user: string;
  stages: readonly Stage[];
}> = [
  { version: '1.9.1', user: '0', stages: ['embedded', 'container', 'smoke-test'] },
  { version: '1.22.2', user: '1000', stages: ['embedded', 'container', 'smoke-test'] },
  {
    version: '1.32.2',
    user: '1000',
    stages: ['embedded', 'kill', 'container', 'direct', 'smoke-test'],
  },
];
const asked = process.env.VM_VERSIONS?.split(',');

let dir: string;
let images: Images;

beforeAll(async () => {
  dir = await fs.mkdtemp(join(tmpdir(), 'claude-bottle-vm-images-'));
  images = await prepareImages(dir);
});
afterAll(async () => await fs.rm(dir, { recursive: true, force: true }));

describe.each(VERSIONS.filter(({ version }) => asked?.includes(version) ?? true))(
  'smolvm $version',
  ({ version, user, stages }) => {
    let report: Report;

    beforeAll(async () => {
      report = await runChain(version, stages, images);
      console.error([durations(report), ...(report.complaints ?? [])].join('\n'));
    });

    /**
     * The last of several tries, which counts. On an emulated processor a guest takes most of the 30 seconds that
     * smolvm gives it to boot, so that one which never comes up says nothing about the product: the test is skipped.
     */
    const last = (tries: readonly Ran[], context: TestContext): Ran => {
      const ran = tries.at(-1);
      if (ran !== undefined && STALLED.test(ran.stderr)) {
        context.skip(`the machine stalled ${tries.length} times`);
      }
      return ran ?? expect.fail('it was not tried');
    };

    /** The machine from a sidecar that this packer and hop made. */
    const started = (chain: ChainReport | undefined, context: TestContext) => {
      expectSuccess(last(chain?.packs ?? [], context));
      const machine = chain?.machine ?? expect.fail('no machine was made');
      expectSuccess(machine.create);
      expectSuccess(last(machine.starts, context));
      return machine;
    };

    describe.each(['embedded', 'container', 'direct'] as const)('%s', (name) => {
      const it = test.runIf(stages.includes(name));

      it('packs a sidecar', (context) => {
        expectSuccess(last(report[name]?.packs ?? [], context));
      });

      it('creates, starts, stops and deletes a machine', (context) => {
        const { stop, remove } = started(report[name], context);
        expectSuccess(stop);
        expectSuccess(remove);
      });

      it('runs a command as the right user, in its directory, with the environment', (context) => {
        const { who } = started(report[name], context);
        expect(who?.stdout).toBe(`${user}\n/work\ntest hello, "bottle" = ü\n`);
      });

      it('has the file system of docker run, but for what is documented', (context) => {
        const { listing } = started(report[name], context);
        const found = differences(parseListing(images.listing), parseListing(listing?.stdout ?? ''), {
          isRuntimePath: runtimePaths(),
          touched: touchedPaths(),
        });
        expect(found).toEqual(documentedDifferences(name === 'direct' ? 'direct' : 'smolvm', version));
      });
    });

    test.runIf(stages.includes('container'))('leaves nothing behind', (context) => {
      last(report.container?.packs ?? [], context);
      expect(report.left).toEqual([]);
    });

    test.runIf(stages.includes('smoke-test'))('passes a smoke test, and fails one', (context) => {
      const { passed, failed, left } = report.smokeTest ?? expect.fail('no smoke test was run');
      expectSuccess(last(passed, context));
      const { exitCode, stderr } = last(failed, context);
      expect(stderr).toContain('the smoke test "echo last words; exit 3" failed (exit code 3)');
      expect(stderr).toContain('  | last words');
      expect(exitCode).toBe(1);
      expect(left).toEqual([]);
    });

    test.runIf(stages.includes('kill'))('ends its builder VM on SIGTERM and leaves nothing', () => {
      expect(report.sigterm?.ran).toMatchObject({ exitCode: 143, signal: null });
      expect(report.sigterm?.left).toEqual([]);
    });

    test.runIf(stages.includes('kill'))('is swept by the next run after SIGKILL', () => {
      const { ran, left } = report.sigkill ?? expect.fail('nothing was killed');
      expect(ran.signal).toBe('SIGKILL');
      const kinds = left.map((line) => line.split(' ')[0]);
      expect(kinds).toEqual(expect.arrayContaining(['container', 'network', 'image', 'scratch', 'process']));
      expect(left.join('\n')).toContain('_boot-vm');
      expect(report.container?.packs[0]?.stderr).toMatch(
        /removed the container \w+ that an earlier run had left/,
      );
      expect(report.left).toEqual([]);
    });
  },
);

function expectSuccess(ran: Ran | undefined): void {
  expect(ran?.exitCode, `${ran?.command}: ${ran?.stderr}`).toBe(0);
}

function durations({ version, embedded, container, direct }: Report): string {
  const seconds = (tries: readonly Ran[] = []) => tries.map((ran) => `${ran.seconds} s`).join(' + ');
  return Object.entries({ embedded, container, direct })
    .filter(([, chain]) => chain !== undefined)
    .map(([name, chain]) => {
      const { machine, packs } = chain as ChainReport;
      const create = machine && seconds([machine.create]);
      return `smolvm ${version}, ${name}: pack ${seconds(packs)}, create ${create}, start ${seconds(machine?.starts)}`;
    })
    .join('\n');
}
