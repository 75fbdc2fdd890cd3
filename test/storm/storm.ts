import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { expect } from 'vitest';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { id16OfName, layoutOf } from '../../src/store/location.ts';
import type { CliResult, StartedCli } from '../helpers/cli.ts';
import { processesWith } from '../helpers/leftovers.ts';
import { tempDir } from '../helpers/temp-dir.ts';

/** `npm run storm -- --kills N --seed N` asks for more than the suite does. */
const KILLS = Number(process.env.STORM_KILLS ?? 25);
const SEED = Number(process.env.STORM_SEED ?? 1);
const MAX_DELAY_MS = 300;
const SETTLE_MS = 30_000;
const PRELOAD = pathToFileURL(join(import.meta.dirname, 'kill-at.ts')).href;
/** Beside the time that a kill costs when a machine is busy. */
export const STORM_TIMEOUT_MS = 120_000 + KILLS * 60_000;

/** No command may print or keep it. */
export const SECRET = 'storm-secret-d41d8cd98f';

/** Where one run of a command works. */
export interface Place {
  /** For its TMPDIR; it is empty when the next run has ended. */
  readonly tmp: string;
  readonly store: string;
}

export interface Storm<P extends Place> {
  /** A new place for each kill. */
  readonly place: (tmp: string) => Promise<P>;
  readonly start: (place: P, env: NodeJS.ProcessEnv) => StartedCli;
  /** What must hold at once, beside the integrity of the store. */
  readonly afterKill?: (place: P) => Promise<void>;
  /** What must hold when the same command was run again, beside that nothing is left. */
  readonly afterNext: (place: P, next: CliResult) => Promise<void>;
  /** What is left of a run beside files and processes. */
  readonly left?: (place: P) => Promise<string[]>;
  /** How many kills there are at a time. */
  readonly lanes?: number;
  /** Of the kills that are asked for; the others are of other storms of the same command. */
  readonly share?: number;
}

interface Moment {
  readonly call: number;
  readonly delayMs: number;
}

/** Kills a command at moments that the seed decides; after each kill it is run again, and nothing may be lost or left. */
export async function runStorm<P extends Place>(name: string, storm: Storm<P>): Promise<void> {
  const startedAt = performance.now();
  const calls = await countCalls(storm);
  const random = randomNumbers(SEED);
  const wanted = Math.ceil(KILLS * (storm.share ?? 1));
  let kills = 0;
  let runs = 0;
  const lane = async () => {
    while (kills < wanted) {
      const moment = { call: 1 + Math.floor(random() * calls), delayMs: Math.floor(random() * MAX_DELAY_MS) };
      runs += 1;
      // The rest of a run may have fewer calls than the one that was counted.
      expect(runs, `runs for ${kills} kills`).toBeLessThan(3 * wanted + 20);
      const label = `seed ${SEED}, call ${moment.call} of ${calls}`;
      if (await killOnce(storm, moment, label)) {
        kills += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: storm.lanes ?? 2 }, lane));
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  console.log(`${name}: ${kills} kills among ${calls} calls, seed ${SEED}, ${runs} runs, ${seconds} s`);
}

async function countCalls<P extends Place>(storm: Storm<P>): Promise<number> {
  const place = await storm.place(await tempDir());
  const file = join(await tempDir(), 'calls');
  const result = await startWith(storm, place, { STORM_CALLS_FILE: file }).ended;
  expect(result.exitCode, result.stderr).toBe(0);
  await storm.afterNext(place, result);
  return Number(await fs.readFile(file, 'utf8'));
}

/** @returns whether it was killed before its end */
async function killOnce<P extends Place>(storm: Storm<P>, moment: Moment, label: string): Promise<boolean> {
  const place = await storm.place(await tempDir());
  const killed = await startWith(storm, place, {
    STORM_KILL_AT: String(moment.call),
    STORM_DELAY_MS: String(moment.delayMs),
  }).ended;
  expect([0, null], `${label}: ${killed.stderr}`).toContain(killed.exitCode);
  await expectIntact(place.store, label);
  await storm.afterKill?.(place);

  const next = await storm.start(place, { TMPDIR: place.tmp, GH_TOKEN: SECRET }).ended;
  expect(next.exitCode, `${label}: ${next.stderr}`).toBe(0);
  await expectIntact(place.store, label);
  await storm.afterNext(place, next);
  await expectNothingLeft(storm, place, label);
  const said = [killed, next].flatMap(({ stdout, stderr }) => [stdout, stderr]).join('');
  expect(said, label).not.toContain(SECRET);
  expect(await filesWith(SECRET, [place.tmp, place.store]), label).toEqual([]);
  await Promise.all([place.tmp, place.store].map((dir) => fs.rm(dir, { recursive: true, force: true })));
  return killed.exitCode === null;
}

function startWith<P extends Place>(storm: Storm<P>, place: P, env: NodeJS.ProcessEnv): StartedCli {
  return storm.start(place, {
    ...{ TMPDIR: place.tmp, GH_TOKEN: SECRET, NODE_OPTIONS: `--import=${PRELOAD}` },
    ...env,
  });
}

/** What has a final name is good, and nothing else is at the top level but a directory to work in. */
async function expectIntact(store: string, label: string): Promise<void> {
  const names = (await topNames(store)).filter((name) => !name.startsWith('cbp-'));
  expect(
    names.filter((name) => id16OfName(name) === undefined),
    label,
  ).toEqual([]);
  for (const name of names) {
    await verifySidecar(join(store, name));
  }
  const { objects } = layoutOf(store);
  for (const sha256 of await fs.readdir(objects).catch(() => [])) {
    await verifySidecar(join(objects, sha256), { sha256 });
  }
}

async function topNames(store: string): Promise<string[]> {
  return (await fs.readdir(store).catch(() => [])).filter((name) => name !== '.pack');
}

async function expectNothingLeft<P extends Place>(storm: Storm<P>, place: P, label: string): Promise<void> {
  const { tmp, locks, parts } = layoutOf(place.store);
  const left = async () => [
    ...(await Promise.all([place.tmp, tmp, locks, parts].map(namesIn))).flat(),
    ...(await topNames(place.store)).filter((name) => name.startsWith('cbp-')),
    ...(await processesWith(`TMPDIR=${place.tmp}`)),
    ...((await storm.left?.(place)) ?? []),
  ];
  // A child of what was killed may take a moment to end, and an engine to clean up.
  const deadline = performance.now() + SETTLE_MS;
  while ((await left()).length > 0 && performance.now() < deadline) {
    await sleep(50);
  }
  expect(await left(), label).toEqual([]);
}

async function namesIn(dir: string): Promise<string[]> {
  return (await fs.readdir(dir).catch(() => [])).map((name) => join(dir, name));
}

async function filesWith(text: string, dirs: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const dir of dirs) {
    const entries = await fs.readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries.filter((each) => each.isFile())) {
      const path = join(entry.parentPath, entry.name);
      if ((await fs.readFile(path)).includes(text)) {
        found.push(path);
      }
    }
  }
  return found;
}

/** The same ones for the same seed (mulberry32), each at least 0 and below 1. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
