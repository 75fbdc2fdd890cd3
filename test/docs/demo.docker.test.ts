import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { LACKS_REGISTRY } from '../helpers/docker-registry.ts';

const run = promisify(execFile);

test.skipIf(LACKS_REGISTRY)('the demo packs, fetches, and fetches a small update of it', async () => {
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, '../../scripts/demo.ts')]);
  expect(stdout).toContain('real Docker · real registry');
  expect(stdout).toContain('real smolvm 1.32.2 makes a machine from it');
  expect(stdout).toMatch(/^first start .* 48\.0 MB downloaded$/m);
  expect(stdout).toMatch(/^after a change of one line .* \d+ kB downloaded$/m);
});
