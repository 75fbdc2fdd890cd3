#!/usr/bin/env node
import { isOlder } from '../identity/version.ts';

/** The first release line with zlib's zstd and everything else that is used here. */
const MINIMUM_NODE = '22.22.2';

if (isOlder(process.versions.node, MINIMUM_NODE)) {
  process.stderr.write(`claude-bottle needs Node ${MINIMUM_NODE} or later; this is ${process.version}\n`);
  process.exitCode = 78;
} else {
  const { main } = await import('./program.ts');
  const exitCode = await main(process.argv);
  // An output that could not be written has set a code of its own.
  process.exitCode = process.exitCode || exitCode;
}
