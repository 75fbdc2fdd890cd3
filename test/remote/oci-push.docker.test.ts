import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, onTestFinished, test, vi } from 'vitest';
import { HttpClient } from '../../src/remote/http.ts';
import { OciRepository } from '../../src/remote/oci.ts';
import { LACKS_REGISTRY, PUBLISHER, startDockerRegistry } from '../helpers/docker-registry.ts';
import { tempDir } from '../helpers/temp-dir.ts';

test.skipIf(LACKS_REGISTRY)(
  'a token that a real registry refuses in the middle of an upload is renewed, and the upload goes on',
  async () => {
    // The question whether it is there, the beginning of the upload, and no more.
    const registry = await startDockerRegistry({ auth: 'token', usesPerToken: 2 });
    const dir = await tempDir();
    await fs.writeFile(join(dir, 'config.json'), JSON.stringify({ auths: { [registry.host]: PUBLISHER } }));
    vi.stubEnv('DOCKER_CONFIG', dir);
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    const { signal } = new AbortController();
    const retries: string[] = [];
    const http = new HttpClient({ signal, firstRetryMs: 1, onRetry: (message) => retries.push(message) });
    onTestFinished(() => http.close());
    const github = {
      serverUrl: 'https://github.test',
      apiUrl: 'https://api.github.test',
      registryHost: 'ghcr.test',
      credential: undefined,
      token: undefined,
    };
    const repository = new OciRepository(
      { registry: registry.host, repository: 'owner/agent' },
      { http, github, signal, onWarning: () => {} },
      'push',
    );
    const blob = randomBytes(32 * 1024 * 1024);
    const digest = `sha256:${createHash('sha256').update(blob).digest('hex')}` as const;
    const parts = Array.from({ length: 512 }, (_, index) => blob.subarray(index << 16, (index + 1) << 16));
    const body = { sizeBytes: blob.length, open: () => Readable.from(parts) };
    expect(await repository.pushBlob(digest, body)).toBe(true);
    expect(registry.requests.map(({ method }) => method)).toEqual(['HEAD', 'HEAD', 'POST', 'PUT', 'PUT']);
    expect(retries).toEqual([]);
    expect(await repository.pushBlob(digest, body)).toBe(false);
    expect(blob.equals(await repository.readBlob(digest, blob.length))).toBe(true);
  },
);
