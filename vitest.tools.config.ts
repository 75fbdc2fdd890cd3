import { defineConfig } from 'vitest/config';

/** The tests with real tools of others, which `scripts/test-tools.ts` builds. */
export default defineConfig({
  test: {
    include: ['test/**/*.tools.test.ts'],
    globalSetup: 'test/helpers/build.ts',
    fileParallelism: false,
    testTimeout: 180_000,
  },
});
