import { examples, fetchOptions, jsonOption, type OptionsOf, verb } from '../options.ts';

export function fetchFlags() {
  return fetchOptions(
    verb(
      'fetch',
      'download the prebuilt sidecar of this checkout, verify it, put it where claude-bottle looks',
    ).argument('[docker-build-args...]', 'after --: further arguments for the docker build that binds it'),
  )
    .option('--dry-run', 'say what would be fetched, and from where')
    .option('--no-bind', 'only store it; claude-bottle bind does the rest')
    .option('--print-path', 'print nothing but the path of the sidecar')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        ['claude-bottle fetch', 'what CI has packed for this checkout'],
        ['claude-bottle fetch --dry-run', 'only look'],
        ['claude-bottle fetch --from oci:localhost:5000/owner/repo/smolmachine', 'from this registry'],
        ['claude-bottle fetch --locked', 'exactly what claude-bottle.lock says'],
      ),
    );
}

export type FetchOptions = OptionsOf<typeof fetchFlags>;
