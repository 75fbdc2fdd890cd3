import { hash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { verifyFile } from '../../src/store/store.ts';
import { actionJob } from '../helpers/action-job.ts';

describe('the action', () => {
  test('packs, then takes the sidecar by its image ID, then by its inputs key', async () => {
    const cold = await actionJob();
    const first = await cold.run();
    expect(first.outcome, first.log).toBe('success');
    expect(first.outputs).toMatchObject({ 'cache-hit': 'false', 'cache-match': 'none' });
    expect(first.groups.map(({ name }) => name)).toEqual([
      ...['Inputs', 'Restore', 'Build', 'Restore', 'Flatten', 'Pack', 'Verify', 'Save', 'Upload'],
    ]);
    const { outputs } = first;
    const artifact = await cold.results.readArtifact(
      `smolmachine-linux-amd64-${outputs['inputs-key']?.slice(0, 16)}.smolmachine`,
    );
    expect(hash('sha256', artifact)).toBe(outputs['sidecar-sha256']);
    const downloaded = join(cold.dir, 'downloaded.smolmachine');
    await fs.writeFile(downloaded, artifact);
    await fs.copyFile(outputs['record-path'] ?? '', `${downloaded}.json`);
    expect((await verifyFile(downloaded, { deep: true })).record?.image.id).toBe(outputs['image-id']);
    expect(first.summary).toContain(`claude-bottle fetch --from run:`);
    expect(await cold.left()).toEqual([expect.stringMatching(/^temp claude-bottle-pack-/)]);
  });
});
