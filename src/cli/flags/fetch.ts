import { examples, fetchOptions, jsonOption, type OptionsOf, storeOption, verb } from '../options.ts';

export function fetchFlags() {
  return fetchOptions(
    verb('fetch', 'download the sidecar that CI packed for this checkout')
      .aliases(['pull', 'download'])
      .argument('[docker-build-args...]', 'after --: more arguments for docker build'),
  )
    .optionsGroup('Result:')
    .option('-n, --dry-run', 'show what would be downloaded, and from where')
    .option('--no-bind', 'download only; run claude-bottle bind later')
    .option('--print-path', 'print only the path of the sidecar')
    .addOption(storeOption())
    .addOption(jsonOption())
    .description(
      examples(
        ['claude-bottle fetch', 'the sidecar for this checkout'],
        ['claude-bottle fetch --dry-run', 'only look'],
        ['claude-bottle fetch --from oci:localhost:5000/owner/repo/smolmachine', 'from this registry'],
        ['claude-bottle fetch --locked', 'exactly what claude-bottle.lock says'],
      ),
    );
}

export type FetchOptions = OptionsOf<typeof fetchFlags>;
