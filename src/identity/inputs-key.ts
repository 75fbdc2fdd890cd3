import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { BottleError } from '../errors.ts';
import type { GuestPlatform } from './platform.ts';

/** Goes up whenever equal inputs would give another key. */
const INPUTS_KEY_SCHEMA = 1;

/** 64 hex digits. Equal inputs of `docker build` have equal keys on every machine. */
export type InputsKey = string & { readonly __brand: 'InputsKey' };

/**
 * One thing in the build context that an image can be made of. No times, no owners, and of the mode only the
 * execute bit and the special bits of files: the rest depends on who checked it out.
 */
export type ContextEntry =
  | { readonly type: 'directory'; readonly path: string }
  | FileEntry
  | { readonly type: 'symlink'; readonly path: string; readonly linkTarget: string };

export interface FileEntry {
  readonly type: 'file';
  /** POSIX, relative to the context, in Unicode NFC. */
  readonly path: string;
  readonly executable: boolean;
  /** Only there when one is set. */
  readonly specialBits?: readonly SpecialBit[];
  readonly sha256: string;
}

export type SpecialBit = 'setuid' | 'setgid' | 'sticky';

export interface KeyParts {
  readonly platform: GuestPlatform;
  /** The hash of the Dockerfile's bytes. */
  readonly dockerfileSha256: string;
  readonly target?: string | undefined;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly entriesSha256: string;
}

/** What a pack record says of the inputs: enough to tell which part differs, and nothing of what is in them. */
export interface InputsRecord {
  readonly key: InputsKey;
  readonly dockerfileSha256: string;
  readonly target?: string;
  readonly buildArgsSha256: string;
  readonly entriesSha256: string;
  /** Whether the key covers only what the Dockerfile can see, or the whole context. */
  readonly narrowed: boolean;
}

export function parseInputsKey(text: string): InputsKey {
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new BottleError('usage', `not an inputs key: ${JSON.stringify(text)}`, {
      hint: 'use the 64 hex digits that `claude-bottle key` prints',
    });
  }
  return text as InputsKey;
}

export function inputsKey({
  platform,
  dockerfileSha256,
  target,
  buildArgs,
  entriesSha256,
}: KeyParts): InputsKey {
  return canonicalSha256({
    schema: INPUTS_KEY_SCHEMA,
    platform,
    dockerfile: dockerfileSha256,
    target: target ?? null,
    buildArgs: Object.fromEntries(buildArgs),
    entries: entriesSha256,
  }) as InputsKey;
}

export function buildArgsSha256(buildArgs: ReadonlyMap<string, string>): string {
  return canonicalSha256(Object.fromEntries(buildArgs));
}

/** Equal for equal entries, in whatever order they come. */
export function entriesSha256(entries: readonly ContextEntry[]): string {
  return canonicalSha256(entries.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)));
}

function canonicalSha256(value: unknown): string {
  return createHash('sha256')
    .update(canonicalize(value) ?? '')
    .digest('hex');
}
