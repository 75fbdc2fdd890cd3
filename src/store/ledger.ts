import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { type Digest, type Id16, id16, isDigest } from '../identity/image-id.ts';
import { namesIn } from './directory.ts';
import { writeWhole } from './files.ts';
import type { StoreLayout } from './location.ts';

const sha256 = z.string().check(z.regex(/^[0-9a-f]{64}$/));

/** Why a sidecar stands under the name of an image that it was not packed from. */
const bindingSchema = z.object({
  imageId: z.string().check(z.refine(isDigest)),
  sha256,
  /** The inputs key that both images have. */
  key: z.optional(sha256),
  /** Equal inputs, or also equal layers and runtime config. */
  proof: z.enum(['inputs', 'content']),
  boundAt: z.iso.datetime(),
  /** What the name had before: it still has it when the replacement was cut short. */
  replacedSha256: z.optional(sha256),
});

export type Binding = z.infer<typeof bindingSchema>;

export async function readBinding({ bindings }: StoreLayout, id: Id16): Promise<Binding | undefined> {
  try {
    const binding = bindingSchema.parse(JSON.parse(await fs.readFile(join(bindings, `${id}.json`), 'utf8')));
    return id16(binding.imageId as Digest) === id ? binding : undefined;
  } catch {
    return undefined;
  }
}

export async function readBindings(layout: StoreLayout): Promise<Map<Id16, Binding>> {
  const found = new Map<Id16, Binding>();
  for (const name of await namesIn(layout.bindings)) {
    const id = name.slice(0, -'.json'.length) as Id16;
    const binding = await readBinding(layout, id);
    if (binding !== undefined) {
      found.set(id, binding);
    }
  }
  return found;
}

export async function writeBinding({ bindings, tmp }: StoreLayout, binding: Binding): Promise<void> {
  const path = join(bindings, `${id16(binding.imageId as Digest)}.json`);
  await writeWhole(tmp, path, `${JSON.stringify(binding, undefined, 2)}\n`);
}

export async function removeBinding({ bindings }: StoreLayout, id: Id16): Promise<void> {
  await fs.rm(join(bindings, `${id}.json`), { force: true });
}

/** Whether these bytes may stand under the name that was bound. */
export function isBoundTo(binding: Binding, sha256: string): boolean {
  return binding.sha256 === sha256 || binding.replacedSha256 === sha256;
}
