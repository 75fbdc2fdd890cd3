import { expect, test } from 'vitest';
import { parseInputsKey } from '../../src/identity/inputs-key.ts';
import { isBundleType, keyTag, platformTag, sharedTags } from '../../src/identity/oci-names.ts';

const COMMIT = 'c'.repeat(40);
const KEY = parseInputsKey('0123456789abcdef'.repeat(4));

test('the platforms of a run share the tag of its commit, and that of a Git tag', () => {
  expect(sharedTags({ commit: COMMIT, ref: 'refs/heads/main' })).toEqual([`sha-${COMMIT}`]);
  expect(sharedTags({ commit: COMMIT, ref: 'refs/tags/v1.2.3-rc.1' })).toEqual([
    `sha-${COMMIT}`,
    'v1.2.3-rc.1',
  ]);
});

test.each([
  'feature/v1',
  '-v1',
  'v1+build',
  'v'.repeat(113),
  keyTag(KEY),
  `sha-${'d'.repeat(40)}`,
  `sha256-${'d'.repeat(64)}`,
  'v1-linux-amd64',
])('a Git tag %s is not a valid tag of the registry, or would be taken for another', (tag) => {
  expect(sharedTags({ commit: COMMIT, ref: `refs/tags/${tag}` })).toEqual([`sha-${COMMIT}`]);
});

test('a tag of a platform ends with it', () => {
  expect(platformTag('v1', 'linux/arm64')).toBe('v1-linux-arm64');
});

test.each([
  ['application/vnd.dev.sigstore.bundle.v0.3+json', true],
  ['application/vnd.dev.sigstore.bundle+json;version=0.2', true],
  ['application/vnd.dev.sigstore.bundles', false],
  ['application/vnd.in-toto+json', false],
])('%s is a bundle: %s', (type, isBundle) => {
  expect(isBundleType(type)).toBe(isBundle);
});
