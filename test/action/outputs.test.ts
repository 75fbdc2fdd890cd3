import { describe, expect, test } from 'vitest';
import { outputsOf, type PackedPlatform, type Published } from '../../src/action/outputs.ts';
import { failureSummary, summaryOf } from '../../src/action/summary.ts';
import { BottleError } from '../../src/errors.ts';

const HEX = 'a'.repeat(64);

const PACKED: PackedPlatform = {
  platform: 'linux/amd64',
  cacheMatch: 'none',
  cacheNotes: ['no usable sidecar for these inputs', 'not saved: a <b> | `c`'],
  path: '/home/runner/work/_temp/claude-bottle-pack-x/smolmachine-linux-amd64-aaaaaaaaaaaaaaaa.smolmachine',
  recordPath:
    '/home/runner/work/_temp/claude-bottle-pack-x/smolmachine-linux-amd64-aaaaaaaaaaaaaaaa.smolmachine.json',
  record: {
    version: 1,
    platform: 'linux/amd64',
    image: { id: `sha256:${HEX}`, layers: [], runtimeConfigSha256: HEX },
    flattened: { configDigest: `sha256:${HEX}`, layerDigest: `sha256:${HEX}`, layerSizeBytes: 1 },
    sidecar: { sha256: HEX, sizeBytes: 500_000_000, crc32: '00000000' },
    smolvm: { version: '1.9.3' },
    hop: 'embedded',
    packedAt: '2026-01-02T03:04:05.000Z',
    inputs: {
      key: 'b'.repeat(64),
      dockerfileSha256: HEX,
      buildArgsSha256: HEX,
      entriesSha256: HEX,
      narrowed: true,
    },
  },
  bundle: Buffer.from('{}'),
  signer: 'https://github.com/o/r/.github/workflows/pack.yml@refs/tags/v1',
  artifact: {
    id: 42,
    name: 'smolmachine-linux-amd64-bbbbbbbbbbbbbbbb.smolmachine',
    digest: `sha256:${HEX}`,
    runId: '1658821493',
    url: 'https://github.com/o/r/actions/runs/7/artifacts/42',
    expiresAt: '2026-04-02T03:04:05Z',
  },
  stages: [{ stage: 'pack', seconds: 1.23, sizeBytes: 500_000_000 }],
};

const PUBLISHED: Required<Published> = {
  registry: {
    name: 'ghcr.io/o/r/smolmachine',
    isDefault: true,
    isPublic: true,
    indexes: new Map(),
    sidecars: [
      {
        platform: 'linux/amd64',
        digest: `sha256:${'d'.repeat(64)}`,
        tags: [],
        bundleDigest: undefined,
        sentBytes: 1,
      },
    ],
  },
  release: {
    tag: "v1'$(id)",
    url: "https://github.com/o/r/releases/tag/v1'$(id)`é",
    isDraft: false,
    missingPlatforms: [],
  },
};

/** What a workflow may put into a script between quotes, or without any. */
const GRAMMARS: Record<string, RegExp> = {
  'image-id': /^sha256:[0-9a-f]{64}$/,
  id16: /^[0-9a-f]{16}$/,
  'inputs-key': /^([0-9a-f]{64})?$/,
  'cache-hit': /^(true|false)$/,
  'cache-match': /^(none|inputs|image)$/,
  'sidecar-path': /^\/[\w./-]+$/,
  'sidecar-sha256': /^[0-9a-f]{64}$/,
  'sidecar-size': /^\d+$/,
  'record-path': /^\/[\w./-]+$/,
  'bundle-path': /^(\/[\w./-]+)?$/,
  'oci-digest': /^(sha256:[0-9a-f]{64})?$/,
  'release-url': /^(https:\/\/[\w./%-]+)?$/,
  'artifact-id': /^\d*$/,
  'artifact-url': /^(https:\/\/[\w./-]+)?$/,
  'artifact-digest': /^(sha256:[0-9a-f]{64})?$/,
  'smolvm-version': /^\d+\.\d+\.\d+$/,
  results: /^\[[\w":,./{}-]+\]$/,
};

describe('outputs', () => {
  test.each<[string, PackedPlatform, Published]>([
    ['a published sidecar', PACKED, PUBLISHED],
    ['an uploaded sidecar', PACKED, {}],
    [
      'one that stays on the runner',
      {
        ...PACKED,
        artifact: undefined,
        bundle: undefined,
        record: { ...PACKED.record, inputs: undefined },
      },
      {},
    ],
  ])('of %s each keep to their alphabet', (_, packed, published) => {
    const outputs = outputsOf([packed], published);
    expect(Object.keys(outputs).sort()).toEqual(Object.keys(GRAMMARS).sort());
    for (const [name, value] of Object.entries(outputs)) {
      expect(value, name).toMatch(GRAMMARS[name] ?? /^never$/);
    }
  });

  test('of several platforms are all in results, and the first one in the others', () => {
    const other = { ...PACKED, platform: 'linux/arm64' as const, cacheMatch: 'image' as const };
    const outputs = outputsOf([PACKED, other]);
    expect(outputs['cache-match']).toBe('none');
    expect(JSON.parse(outputs.results ?? '')).toMatchObject([
      { platform: 'linux/amd64', 'cache-match': 'none', 'artifact-id': '42' },
      { platform: 'linux/arm64', 'cache-match': 'image', 'sidecar-sha256': HEX },
    ]);
  });
});

describe('the job summary', () => {
  const summaryFor = (result: PackedPlatform, published: Published = {}) =>
    summaryOf({ results: [result], published });

  test('says what was packed, how long it took, how to fetch it, and until when', () => {
    const summary = summaryFor(PACKED);
    for (const part of [
      '## Packed\n',
      '| linux/amd64 | 500 MB | [artifact](https://github.com/o/r/actions/runs/7/artifacts/42) until 2026-04-02 |',
      '\nnpx claude-bottle-pack fetch --from run:1658821493\n',
      'Took **1 s**',
      'no usable sidecar for these inputs',
    ]) {
      expect(summary).toContain(part);
    }
    const [, folded = ''] = summary.split('<details>');
    for (const part of [HEX, 'b'.repeat(64), '| pack | 1.2 s | 500 MB |']) {
      expect(folded).toContain(part);
    }
  });

  test('says what is published where, who signed it, and the one command that gets it', () => {
    const summary = summaryFor(PACKED, PUBLISHED);
    for (const part of [
      '## Published: <code>claude-bottle fetch</code> gets it now',
      '<code>ghcr.io/o/r/smolmachine</code> · [release v1',
      '| <code>o/r</code> pack.yml |',
      '\nnpx claude-bottle-pack fetch\n',
      `ghcr.io/o/r/smolmachine&#64;sha256:${'d'.repeat(64)}`,
    ]) {
      expect(summary).toContain(part);
    }
    expect(summary.match(/claude-bottle-pack fetch/g)).toHaveLength(1);
    const elsewhere = { ...PUBLISHED.registry, name: 'registry.example/agent', isDefault: false };
    expect(summaryFor(PACKED, { registry: elsewhere })).toContain(
      '\nnpx claude-bottle-pack fetch --from oci:registry.example/agent\n',
    );
  });

  test('is empty when nothing was made', () => {
    expect(summaryOf({ results: [], published: {} })).toBe('');
  });

  test('of a draft says what it waits for, and no command that would fail', () => {
    const release = { ...PUBLISHED.release, isDraft: true, missingPlatforms: ['linux/arm64' as const] };
    const summary = summaryFor({ ...PACKED, signer: undefined }, { release });
    expect(summary).toContain('a draft that waits for linux/arm64');
    expect(summary).toContain('nobody');
    expect(summary).not.toContain('npx');
  });

  test('of a missing permission has the lines to add, and where to read more', () => {
    const error = new BottleError('authentication', 'this job cannot write to ghcr.io/acme/tools', {
      permission: 'packages: write',
      hint: 'add it',
      details: ['registry answered 401'],
    });
    const summary = failureSummary(error);
    expect(summary).toMatch(/^## This job cannot write to ghcr\.io\/acme\/tools\n/);
    expect(summary).toContain('```yaml\npermissions:\n  contents: read\n  packages: write\n```');
    expect(summary).toContain('registry answered 401');
    expect(summary).toMatch(/troubleshooting\.md#authentication/);
  });

  test('shows text from elsewhere as text', () => {
    const error = new BottleError('build-failed', '<img src=x> [a](javascript:1) | `b`\n# c', {
      hint: '<script>',
    });
    for (const markdown of [summaryOf({ results: [PACKED], published: PUBLISHED }), failureSummary(error)]) {
      expect(markdown).not.toMatch(/<b>|<img|<script|\[a\]|`c`|`b`|\n# c/);
    }
  });
});
