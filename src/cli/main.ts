#!/usr/bin/env node
import { MINIMUM_NODE, supportsNode } from './node-version.ts';

if (supportsNode(process.versions.node)) {
  const { main } = await import('./program.ts');
  process.exitCode = await main(process.argv);
} else {
  process.stderr.write(
    `claude-bottle: error: Node ${process.versions.node} is too old\n  hint: install Node ${MINIMUM_NODE} or later\n`,
  );
  process.exitCode = 78;
}
