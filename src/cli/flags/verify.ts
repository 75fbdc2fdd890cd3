import {
  examples,
  githubUrlOption,
  jsonOption,
  type OptionsOf,
  signerOptions,
  storeOption,
  verb,
} from '../options.ts';

export function verifyFlags() {
  return signerOptions(
    verb('verify', 'check sidecars for damage and for who signed them').argument(
      '[file-or-id]',
      'a file, an image ID or its first 16 digits (default: the whole store)',
    ),
  )
    .option('--context <dir>', 'a checkout of the repository that must have signed', '.')
    .option(
      '-R, --repo <owner/name>',
      "repository that must have signed (default: the checkout's; in the store, each sidecar's origin)",
    )
    .addOption(githubUrlOption())
    .option('--all', 'every sidecar in the store (the default)')
    .optionsGroup('Result:')
    .option('--deep', 'also unpack and check every entry')
    .addOption(storeOption())
    .addOption(jsonOption())
    .description(
      examples(
        ['claude-bottle verify --deep agent.smolmachine', 'a file, down to each entry'],
        ['claude-bottle verify', 'the whole store'],
      ),
    );
}

export type VerifyCommandOptions = OptionsOf<typeof verifyFlags>;
