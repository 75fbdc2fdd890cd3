/** `npm run storm -- --kills N --seed N`: kills every command at more moments, and others, than the suite does. */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { prepareTestBed } from './test-bed.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
  },
});
const [kills, seed] = [Number(values.kills), Number(values.seed)];
if (!(Number.isSafeInteger(kills) && kills > 0 && Number.isSafeInteger(seed))) {
  throw new Error(`--kills ${values.kills} --seed ${values.seed} are not whole numbers`);
}
const only = values.only === undefined ? [] : ['--testNamePattern', values.only];
const bed = await prepareTestBed();
try {
  const env = { ...process.env, ...bed.env, STORM_KILLS: String(kills), STORM_SEED: String(seed) };
  for (const config of ['vitest.config.ts', ...(bed.docker ? ['vitest.docker.config.ts'] : [])]) {
    const args = ['run', '--config', config, 'test/storm', '--passWithNoTests', ...only];
    const { status } = spawnSync('vitest', args, { stdio: 'inherit', env });
    process.exitCode ||= status ?? 1;
  }
} finally {
  await bed.stop();
}
if (bed.reason !== undefined) {
  console.error(bed.reason);
}
