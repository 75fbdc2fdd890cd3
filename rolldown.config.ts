import { join } from 'node:path';
import { defineConfig } from 'rolldown';
import license from 'rollup-plugin-license';

/** dist is committed: a rebuild must give the same bytes. */
export default defineConfig({
  input: {
    main: 'src/action/main.ts',
    post: 'src/action/post.ts',
    fetch: 'src/action/fetch.ts',
    cli: 'src/cli/main.ts',
  },
  platform: 'node',
  // @ts-expect-error Its types describe an ES module, the package is CommonJS.
  plugins: [license({ thirdParty: { output: join(import.meta.dirname, 'dist/licenses.txt') } })],
  output: {
    dir: 'dist',
    format: 'esm',
    entryFileNames: '[name].mjs',
    chunkFileNames: 'chunks/[name].mjs',
    cleanDir: true,
  },
});
