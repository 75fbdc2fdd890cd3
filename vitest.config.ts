import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/**/*.docker.test.ts'],
    testTimeout: 60_000,
  },
});
