/** `npm run test:tools`: programs that others wrote judge what we sign, and serve what we publish. */
import { reportCounts, runSuite } from './suite.ts';
import { prepareTools } from './test-bed.ts';

// They take minutes to build, and are kept in node_modules/.cache.
await prepareTools(
  {
    cosign: { module: 'github.com/sigstore/cosign/v3@v3.1.3', directory: './cmd/cosign' },
    gh: { module: 'github.com/cli/cli/v2@v2.95.0', directory: './cmd/gh' },
    registry: { module: 'github.com/distribution/distribution/v3@v3.1.2', directory: './cmd/registry' },
  },
  'the tests with real tools need it',
);
reportCounts([await runSuite('vitest.tools.config.ts', process.env)]);
