import { X509Certificate } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { type TrustMaterial, toTrustMaterial } from '@sigstore/verify';
import { BottleError, fileError } from '../errors.ts';
import github from './roots/github.json' with { type: 'json' };
import publicGood from './roots/public-good.json' with { type: 'json' };

const MAX_ROOTS_BYTES = 4 * 1024 * 1024;

/** One instance of Sigstore: its certificate authorities, its logs, its time stamp authorities. */
export interface TrustRoot {
  readonly name: string;
  readonly material: TrustMaterial;
  /** Certificates of all its certificate authorities, of whatever time. */
  readonly authorities: readonly X509Certificate[];
}

/**
 * The instance that signs for public repositories, and the one that GitHub runs for private ones. They are files of
 * ours because a TUF client needs the network at its first use (roots/README.md).
 */
export function builtInRoots(): TrustRoot[] {
  return [parseRoot('public-good', publicGood), parseRoot('github', github)];
}

/**
 * `--trusted-root`: what `gh attestation trusted-root` prints, or one trusted_root.json.
 * @throws BottleError `usage` when it is none
 */
export async function readRoots(path: string): Promise<TrustRoot[]> {
  const text = await readSmallFile(path);
  try {
    return parseOneOrLines(text).map((json, index) => parseRoot(`${path} (${index + 1})`, json));
  } catch (cause) {
    throw new BottleError('usage', `${path} is no trusted root of Sigstore`, {
      hint: 'write one with gh attestation trusted-root > FILE',
      cause,
    });
  }
}

/** @throws Error when it is none */
export function parseRoot(name: string, json: unknown): TrustRoot {
  const root = TrustedRoot.fromJSON(json);
  const authorities = root.certificateAuthorities
    .flatMap(({ certChain }) => certChain?.certificates ?? [])
    .map(({ rawBytes }) => new X509Certificate(rawBytes));
  if (authorities.length === 0) {
    throw new Error('it names no certificate authority');
  }
  return { name, material: toTrustMaterial(root), authorities };
}

async function readSmallFile(path: string): Promise<string> {
  try {
    const { size } = await fs.stat(path);
    return size > MAX_ROOTS_BYTES ? '' : await fs.readFile(path, 'utf8');
  } catch (error) {
    throw fileError(`cannot read the trusted root ${path}`, error);
  }
}

function parseOneOrLines(text: string): unknown[] {
  try {
    return [JSON.parse(text)];
  } catch {
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  }
}
