import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

/** Only what this runner can do: a JavaScript action for Node 24 without `pre`. */
const ActionManifest = z.object({
  inputs: z
    .record(
      z.string(),
      z
        .object({ default: z.string().optional(), deprecationMessage: z.string().optional() })
        .nullable()
        .transform((input) => input ?? {}),
    )
    .default({}),
  runs: z.object({
    using: z.literal('node24'),
    main: z.string(),
    pre: z.never({ error: 'a step with pre is not modelled' }).optional(),
    post: z.string().optional(),
    'post-if': z.enum(['always()', 'success()']).default('always()'),
  }),
});

export type ActionManifest = z.infer<typeof ActionManifest>;

export async function readActionManifest(actionDir: string): Promise<ActionManifest> {
  const text = await fs.readFile(join(actionDir, 'action.yml'), 'utf8');
  // Every scalar is a string, as for the runner: 60 stays '60', true stays 'true'.
  return ActionManifest.parse(parse(text, { schema: 'failsafe' }));
}
