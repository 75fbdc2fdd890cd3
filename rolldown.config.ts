import { defineConfig } from 'rolldown';

/** dist is committed: a rebuild must give the same bytes. */
export default defineConfig({
  input: { cli: 'src/cli/main.ts' },
  platform: 'node',
  output: {
    dir: 'dist',
    format: 'esm',
    entryFileNames: '[name].mjs',
    chunkFileNames: 'chunks/[name].mjs',
    cleanDir: true,
  },
});
