import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { imageHistory, inspectImage } from '../../src/docker/image.ts';
import { findSecrets } from '../../src/publish/secret-scan.ts';
import { ensureDebianImage } from '../helpers/debian-image.ts';
import { busyboxContext, run } from '../helpers/small-image.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const TAG = 'claude-bottle-test-secrets';
const TOKEN = `ghp_${'aB3dE5gH7j'.repeat(4)}`;

async function secretsOf(reference: string) {
  const image = await inspectImage(reference);
  return findSecrets({ config: image.config, history: await imageHistory(image.id) });
}

test('secrets are found in an image that was built with them', async () => {
  const dockerfile = [
    'FROM scratch',
    'COPY bin /bin',
    'ARG NPM_PASSWORD',
    'RUN true "a & b" < /bin/sh',
    `ENV GH_TOKEN=${TOKEN} NODE_VERSION=24.11.1`,
    'LABEL note="nothing"',
    'CMD ["sh"]',
  ];
  const context = await busyboxContext(await tempDir(), dockerfile.join('\n'));
  onTestFinished(() => run('docker', ['image', 'rm', '--force', TAG]).then(() => {}));
  await run('docker', ['build', '--tag', TAG, '--build-arg', 'NPM_PASSWORD=hunter2-and-more', context]);
  const found = await secretsOf(TAG);
  expect(found).toEqual([
    { place: 'ENV GH_TOKEN', kind: 'GitHub token' },
    { place: 'history line 3', kind: 'GitHub token' },
    { place: 'history line 4', kind: 'value of NPM_PASSWORD' },
  ]);
});

describe('an image of a whole distribution', () => {
  let debian: string;

  beforeAll(async () => {
    debian = await ensureDebianImage();
  });

  test('has none', async () => {
    expect(await secretsOf(debian)).toEqual([]);
  });
});
