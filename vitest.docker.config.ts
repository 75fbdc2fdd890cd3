import { defineConfig } from 'vitest/config';

/** The tests that need a Docker engine; one at a time, since they look at what the others would leave behind. */
export default defineConfig({
  test: {
    include: ['test/**/*.docker.test.ts'],
    globalSetup: 'test/helpers/build.ts',
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 600_000,
  },
});
