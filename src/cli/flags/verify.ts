import { examples, jsonOption, type OptionsOf, signerOptions, storeOption, verb } from '../options.ts';

export function verifyFlags() {
  return signerOptions(
    verb('verify', 'check sidecars; damaged ones of the store go to quarantine').argument(
      '[file-or-id]',
      'a file, an image ID, or its first 16 hex digits',
    ),
  )
    .option('--context <dir>', 'a checkout of the repository that has to have signed', '.')
    .option(
      '--repo <owner/name>',
      "repository that has to have signed (default: the checkout's remote; in the store, each sidecar's origin)",
    )
    .option('--github-url <url>', "GitHub server (default: the remote's, or https://github.com)")
    .option('--all', 'every sidecar in the store')
    .option('--deep', 'also unpack and check every entry')
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        ['claude-bottle verify --deep agent.smolmachine', 'a file, down to each entry'],
        ['claude-bottle verify --all', 'the whole store'],
      ),
    );
}

export type VerifyCommandOptions = OptionsOf<typeof verifyFlags>;
