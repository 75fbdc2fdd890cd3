import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { DOUBLE_DIR } from './cli.ts';
import { tempDir } from './temp-dir.ts';

export interface FixedEngine {
  /** Puts it in the place of docker. */
  readonly env: { readonly PATH: string };
  /** Every later build gives this image. */
  build(id: string): Promise<void>;
}

/** A `docker` whose builds give the image ID that the test chooses. It has no containers, so that nothing can be packed. */
export async function fixedEngine(id: string): Promise<FixedEngine> {
  const bin = await tempDir();
  const image = join(bin, 'image-id');
  const inspected = '[{"Id":"%s","Os":"linux","Architecture":"amd64","Config":{},"RootFS":{"Layers":[]}}]';
  const lines = [
    '#!/bin/sh',
    `id=$(cat '${image}')`,
    'case "$1" in',
    'build) while [ $# -gt 0 ]; do [ "$1" = --iidfile ] && printf %s "$id" > "$2"; shift; done ;;',
    'ps|volume|network|container) ;;',
    'info) echo "27.0.0 []" ;;',
    `image) printf '${inspected}' "$id" ;;`,
    '*) echo "no such command: $*" >&2; exit 1 ;;',
    'esac',
  ];
  await fs.writeFile(join(bin, 'docker'), `${lines.join('\n')}\n`, { mode: 0o755 });
  await fs.writeFile(image, id);
  return {
    env: { PATH: [bin, DOUBLE_DIR, process.env.PATH].join(delimiter) },
    build: (next) => fs.writeFile(image, next),
  };
}
