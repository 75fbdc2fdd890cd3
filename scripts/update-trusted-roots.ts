import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

/**
 * Renews the trust roots from what gh prints:
 *   gh attestation trusted-root | node scripts/update-trusted-roots.ts
 * What it writes decides whom fetch believes: look at the diff.
 */
const ROOTS = join(import.meta.dirname, '../src/trust/roots');
const FILES: Readonly<Record<string, string>> = {
  'https://fulcio.sigstore.dev': 'public-good.json',
  'fulcio.githubapp.com': 'github.json',
};

interface TrustedRoot {
  readonly certificateAuthorities?: ReadonlyArray<{ readonly uri: string }>;
}

const lines = (await text(process.stdin)).trim().split('\n');
const roots = lines.map((line) => JSON.parse(line) as TrustedRoot);
for (const [uri, file] of Object.entries(FILES)) {
  const root = roots.find(({ certificateAuthorities: [first] = [] }) => first?.uri === uri);
  if (root === undefined) {
    throw new Error(`no root of ${uri} among the ${roots.length} that came in`);
  }
  await writeFile(join(ROOTS, file), `${JSON.stringify(root, undefined, 2)}\n`);
}
