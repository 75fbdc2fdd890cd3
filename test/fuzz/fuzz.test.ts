import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { readInputs } from '../../src/action/inputs.ts';
import { readDockerfile } from '../../src/context/dockerfile.ts';
import { Dockerignore } from '../../src/context/dockerignore.ts';
import { BottleError } from '../../src/errors.ts';
import { readLockFile } from '../../src/fetch/lock-file.ts';
import { parseRemote } from '../../src/git/remote.ts';
import { parseImageReference } from '../../src/identity/image-reference.ts';
import { readableRecord } from '../../src/identity/pack-record.ts';
import { parseChallenges } from '../../src/remote/challenge.ts';
import { manifestSchema, parseAnswer } from '../../src/remote/oci-manifest.ts';
import { parseOciReference } from '../../src/remote/oci-reference.ts';
import { findLogins } from '../../src/remote/registry-login.ts';
import { parseFrameIndex } from '../../src/sidecar/frame-index.ts';
import { frameContents } from '../../src/sidecar/frame-reader.ts';
import { parseManifest } from '../../src/sidecar/manifest.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { readTar, TarError } from '../../src/tar/read.ts';
import { framedSidecar } from '../helpers/framed-sidecar.ts';
import { sampleSidecar } from '../helpers/oci-publish.ts';
import { sampleParts } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { mutated } from './mutated.ts';

/** Set by `npm run fuzz`, for all formats together. */
const MINUTES = Number(process.env.FUZZ_MINUTES ?? 0);
const RUNS = 150;
/** Of processor time, so that a busy machine is not a hang. */
const HANG_MS = 1000;
const MEMORY_BYTES = 300e6;

interface Format {
  readonly samples: () => Promise<readonly Buffer[]>;
  readonly read: (bytes: Buffer) => unknown;
}

let dir: string;
let input: string;

beforeEach(async () => {
  dir = await tempDir();
  input = join(dir, 'input');
  await fs.writeFile(join(dir, 'Dockerfile'), 'FROM scratch\n');
});

const texts =
  (...samples: string[]) =>
  async () =>
    samples.map((sample) => Buffer.from(sample));
const inFile = (read: (path: string) => unknown) => async (bytes: Buffer) => {
  await fs.writeFile(input, bytes);
  await read(input);
};
const asText = (read: (text: string) => unknown) => (bytes: Buffer) => read(bytes.toString());
const CONTENTS = [Buffer.from('one frame'), Buffer.alloc(100_000, 'another'), Buffer.alloc(0)];

const FORMATS: Record<string, Format> = {
  sidecar: {
    samples: async () => {
      const { path } = await sampleSidecar('linux/amd64', 'a'.repeat(64));
      return [await fs.readFile(path), (await framedSidecar(CONTENTS)).bytes];
    },
    read: inFile(async (path) => await verifySidecar(path, {}, { deep: true })),
  },
  'frame index': {
    samples: async () => [(await framedSidecar(CONTENTS)).index],
    read: parseFrameIndex,
  },
  frames: {
    samples: async () => [Buffer.concat(CONTENTS.map((content) => zstdCompressSync(content)))],
    read: async (bytes) => await drain(frameContents(Readable.from([bytes]))),
  },
  tar: {
    samples: async () =>
      (await sampleParts(await tempDir())).members.flatMap(({ source }) =>
        Buffer.isBuffer(source) ? [source] : [],
      ),
    read: async (bytes) => await drain(readTar(Readable.from([bytes]))),
  },
  'manifest of a sidecar': {
    samples: async () => [Buffer.from(JSON.stringify((await sampleParts(await tempDir())).manifest))],
    read: parseManifest,
  },
  'pack record': {
    samples: async () => {
      const { record } = await sampleSidecar('linux/amd64', 'a'.repeat(64));
      return [Buffer.from(JSON.stringify(record))];
    },
    read: asText(readableRecord),
  },
  'manifest of a registry': {
    samples: texts(
      `{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:${'a'.repeat(64)}","size":2},"layers":[],"annotations":{"a":"b"}}`,
      `{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"sha256:${'a'.repeat(64)}","size":2}]}`,
    ),
    read: (bytes) => parseAnswer(manifestSchema, bytes, 'https://registry.example/v2/'),
  },
  'challenge of a registry': {
    samples: texts(
      'Bearer realm="https://a.example/token",service="a",scope="repository:a/b:pull"',
      'Basic realm=a, Bearer b',
    ),
    read: asText(parseChallenges),
  },
  'logins of Docker': {
    samples: texts('{"auths":{"ghcr.io":{"auth":"dTpw"},"a/b/":{"identitytoken":"t"}}}'),
    read: async (bytes) => {
      await fs.writeFile(join(dir, 'config.json'), bytes);
      process.env.DOCKER_CONFIG = dir;
      await findLogins(parseOciReference('ghcr.io/a/b'), {
        signal: AbortSignal.timeout(60_000),
        onWarning: () => {},
      });
    },
  },
  Dockerfile: {
    samples: texts(
      '# syntax=docker/dockerfile:1\nARG A=1\nFROM scratch AS a\nCOPY --from=a --chown=1 ["x", "y"] /\nADD <<EOF /z\nline\nEOF\n',
      'FROM a\nRUN --mount=type=bind,target=/x true \\\n && false\nENV A=$B D="e f"\nONBUILD COPY . .\n',
    ),
    read: asText((text) => readDockerfile(text, { buildArgs: new Map(), platform: 'linux/amd64' })),
  },
  '.dockerignore': {
    samples: texts('# comment\n*\n!src/**\n**/*.log\n[a-z]?\n!/x/../y\n'),
    read: asText((text) => {
      const ignore = new Dockerignore(text);
      ignore.match('src/some/deep/path/with/a/name.log');
      ignore.mayKeepInside('src');
    }),
  },
  'reference of an image': {
    samples: texts('ghcr.io/a/b:c@sha256:0', 'localhost:5000/a'),
    read: asText(parseImageReference),
  },
  'reference of a registry': {
    samples: texts('ghcr.io/a/b/c', 'localhost:5000/a'),
    read: asText(parseOciReference),
  },
  'remote of git': {
    samples: texts(
      'git@github.com:a/b.git',
      'ssh://git@ssh.github.com:443/a/b',
      'https://user:pw@github.com/a/b/',
    ),
    read: asText(parseRemote),
  },
  'lock file': {
    samples: texts(
      `{"version":1,"platforms":{"linux/amd64":{"key":"${'a'.repeat(64)}","sha256":"${'b'.repeat(64)}","sizeBytes":5,"address":"oci:ghcr.io/a/b"}}}`,
    ),
    read: inFile(readLockFile),
  },
  'inputs of the action': {
    samples: texts(
      'context=.\nplatforms=linux/amd64,linux/arm64\nbuild-args=A=1\nmem=8192\npublish=oci\noci-ref=ghcr.io/a/b\nimage=a:1\n',
    ),
    read: asText(async (text) => {
      const inputs = new Map(text.split('\n').map((line) => line.split(/=(.*)/s) as [string, string]));
      await readInputs((name) => (inputs.get(name) ?? '').trim(), dir);
    }),
  },
};

describe('any bytes are read, or refused with an exit code of the contract:', () => {
  test.each(Object.entries(FORMATS))(
    '%s',
    async (name, { samples, read }) => {
      const before = process.memoryUsage().rss;
      let count = 0;
      const holds = fc.asyncProperty(mutated(await samples()), async (bytes) => {
        count += 1;
        const start = process.cpuUsage();
        try {
          await read(bytes);
        } catch (error) {
          requireKnown(error);
        }
        const { user, system } = process.cpuUsage(start);
        expect((user + system) / 1000).toBeLessThan(HANG_MS);
      });
      const share = (MINUTES * 60_000) / Object.keys(FORMATS).length;
      await fc.assert(holds, {
        numRuns: share > 0 ? Number.MAX_SAFE_INTEGER : RUNS,
        ...(share > 0 && { interruptAfterTimeLimit: share }),
      });
      expect(process.memoryUsage().rss - before).toBeLessThan(MEMORY_BYTES);
      if (MINUTES > 0) {
        console.log(`${name}: ${count} inputs`);
      }
    },
    180_000 + MINUTES * 60_000,
  );
});

function requireKnown(error: unknown): void {
  // Those who read a tar turn its error into one of theirs, with the file's name.
  if (!(error instanceof TarError)) {
    expect(error).toBeInstanceOf(BottleError);
    expect((error as BottleError).code).not.toBe('internal');
  }
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream) {
    // Only whether it ends is asked.
  }
}
