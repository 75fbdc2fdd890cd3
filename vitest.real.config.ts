import { defineConfig } from 'vitest/config';

/** The tests with real smolvm binaries, which `scripts/real-smolvm.ts` installs; they need no KVM. */
export default defineConfig({
  test: {
    include: ['test/**/*.real.test.ts'],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 900_000,
  },
});
