import { X509Certificate } from 'node:crypto';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { type TrustMaterial, toTrustMaterial } from '@sigstore/verify';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { readSmallFile } from '../host/small-file.ts';
import { parseJson } from '../identity/json.ts';
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
 * @throws BottleError `usage` for a file that is not valid
 */
export async function readRoots(path: string): Promise<TrustRoot[]> {
  const bytes = await readSmallFile(path, MAX_ROOTS_BYTES).catch((error: unknown) => {
    throw hasErrno(error, 'EFBIG')
      ? notARoot(path, error)
      : fileError(`cannot read the trusted root ${path}`, error);
  });
  try {
    return parseOneOrLines(bytes.toString()).map((json, index) => parseRoot(`${path} (${index + 1})`, json));
  } catch (cause) {
    throw notARoot(path, cause);
  }
}

function notARoot(path: string, cause: unknown): BottleError {
  return new BottleError('usage', `${path} is not a trusted root of Sigstore`, {
    hint: 'gh attestation trusted-root > FILE  # writes one',
    cause,
  });
}

/** @throws Error for JSON that is not a valid trusted root */
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

function parseOneOrLines(text: string): unknown[] {
  try {
    return [parseJson(text)];
  } catch {
    return text
      .trim()
      .split('\n')
      .map((line) => parseJson(line) as unknown);
  }
}
