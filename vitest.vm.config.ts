import { defineConfig } from 'vitest/config';

/** The tests that boot the real smolvm in a nested virtual machine, one machine at a time. */
export default defineConfig({
  test: {
    include: ['test/**/*.vm.test.ts'],
    globalSetup: 'test/helpers/build.ts',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 30 * 60_000,
  },
});
