import * as fs from 'node:fs/promises';
import { resolve } from 'node:path';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { readSmallFile } from '../host/small-file.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { BUNDLE_SUFFIX, FRAMES_SUFFIX } from '../identity/published-name.ts';
import { counted } from '../identity/shown-text.ts';
import { HttpError } from '../remote/http-error.ts';
import { checkedUrl, redacted } from '../remote/url.ts';
import { framesPathOf, MAX_RECORD_BYTES, readBundle, recordPathOf } from '../sidecar/file.ts';
import { readBundles } from './bundle.ts';
import { damagedRecord, parseRecord } from './record.ts';
import { remoteFile } from './remote-file.ts';
import type { Source, SourceTools } from './source.ts';

const WITHOUT_LOGIN = 'download the sidecar and its record with another tool, and use file:PATH';

/** A sidecar on any server, with its pack record beside it: `<path>.json`, with the same query. */
export function urlSource(address: string, { http }: Pick<SourceTools, 'http'>): Source {
  const { href: url, username, password } = checkedUrl(address);
  if (username !== '' || password !== '') {
    // It would stand in process lists and lock files.
    throw new BottleError('usage', `an address with a login: ${redacted(url)}`, {
      hint: WITHOUT_LOGIN,
    });
  }
  return {
    name: redacted(url),
    find: async () => {
      const recordUrl = new URL(url);
      recordUrl.pathname += '.json';
      const { bytes, answer } = await http
        .read({ url: recordUrl.href }, MAX_RECORD_BYTES)
        .catch((error: unknown) => {
          throw explained(error);
        });
      if (answer.headers['content-type']?.startsWith('text/html')) {
        throw new BottleError(
          'network-failed',
          `${redacted(answer.url)} is a web page, and not a pack record`,
          {
            hint: `check the address; where people have to log in, ${WITHOUT_LOGIN}`,
          },
        );
      }
      const record = parseRecord(bytes, redacted(recordUrl.href));
      const beside = (suffix: string) => {
        const besideUrl = new URL(url);
        besideUrl.pathname += suffix;
        return { url: besideUrl.href };
      };
      return {
        record,
        content: remoteFile(http, { url }, record.sidecar),
        address,
        bundles: () => readBundles(http, beside(BUNDLE_SUFFIX)),
        frameIndex: async (maxBytes) => (await http.read(beside(FRAMES_SUFFIX), maxBytes)).bytes,
      };
    },
  };
}

/** Nobody logs in at such an address. */
function explained(error: unknown): unknown {
  if (!(error instanceof HttpError)) {
    return error;
  }
  switch (error.code) {
    case 'authentication':
      return error.explained('', {
        hint: `${WITHOUT_LOGIN}; no login is sent there`,
      });
    case 'not-found':
      return error.explained('', {
        hint: "check the address: the pack record belongs beside the sidecar, with .json behind the sidecar's name",
      });
    default:
      return error;
  }
}

/** A sidecar on this machine, with its pack record beside it: `<path>.json`. */
export function fileSource(file: string): Source {
  const path = resolve(file);
  return {
    name: `file ${path}`,
    find: async () => {
      const record = await readRecordBeside(path);
      const { sha256, sizeBytes } = record.sidecar;
      const foundBytes = await sizeOfFile(path);
      if (foundBytes !== sizeBytes) {
        throw damagedRecord(
          `${path} has ${counted(foundBytes, 'byte')}, and its pack record says ${sizeBytes}`,
        );
      }
      return {
        record,
        content: { kind: 'local', path, sizeBytes, sha256 },
        address: `file:${path}`,
        bundles: async () => {
          const bundle = await readBundle(path);
          return bundle === undefined ? [] : [bundle];
        },
        frameIndex: (maxBytes) => readSmallFile(framesPathOf(path), maxBytes),
      };
    },
  };
}

async function readRecordBeside(path: string): Promise<PackRecord> {
  const recordPath = recordPathOf(path);
  const json = await readSmallFile(recordPath, MAX_RECORD_BYTES).catch((error: unknown) => {
    throw hasErrno(error, 'EINVAL', 'EFBIG')
      ? damagedRecord(`${recordPath} is not a regular file of at most ${MAX_RECORD_BYTES} bytes`)
      : readError(recordPath, error);
  });
  return parseRecord(json, recordPath);
}

async function sizeOfFile(path: string): Promise<number> {
  const stat = await fs.stat(path).catch((error: unknown) => {
    throw readError(path, error);
  });
  if (!stat.isFile()) {
    throw damagedRecord(`${path} is not a regular file`);
  }
  return stat.size;
}

function readError(path: string, error: unknown): BottleError {
  return hasErrno(error, 'ENOENT', 'ENOTDIR')
    ? new BottleError('not-found', `there is no file ${path}`, {
        hint: 'check the path; a sidecar and its pack record (<sidecar>.json) belong side by side',
        cause: error,
      })
    : fileError(`cannot read ${path}`, error);
}
