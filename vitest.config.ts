import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['docker', 'real', 'tools', 'vm'].map((kind) => `test/**/*.${kind}.test.ts`),
    globalSetup: 'test/helpers/build.ts',
    // What hangs is ended; a busy machine is not what fails a test.
    testTimeout: 180_000,
    // Most of them wait: for a server that is slow on purpose, for a child, for a limit of time.
    maxWorkers: 4,
  },
});
