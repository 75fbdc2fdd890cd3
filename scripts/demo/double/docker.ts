/**
 * A double of Docker for machines without an engine: it "builds" a Dockerfile of COPY, ENV and ENTRYPOINT, and gives
 * each new build another image ID, as another engine would. It runs nothing. Its state is in DEMO_DOCKER_STATE.
 */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';

interface DoubleImage {
  readonly Id: string;
  readonly Os: 'linux';
  readonly Architecture: string;
  readonly Created: string;
  readonly Config: { readonly Env: string[]; readonly Entrypoint: string[] };
  readonly RootFS: { readonly Layers: string[] };
}

const STATE = process.env.DEMO_DOCKER_STATE ?? '';
const ARCHITECTURE = process.arch === 'arm64' ? 'arm64' : 'amd64';

async function build(args: readonly string[]): Promise<void> {
  const valueAfter = (name: string) => args[args.indexOf(name) + 1] ?? '';
  const context = args.at(-1) ?? '.';
  const dockerfile = await fs.readFile(join(context, 'Dockerfile'), 'utf8');
  const { files, tar } = await layerOf(context, dockerfile);
  const layer = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
  const cached = await readImages().then((images) => images.find(({ RootFS }) => RootFS.Layers[0] === layer));
  const entrypoint = /^ENTRYPOINT (.*)$/m.exec(dockerfile)?.[1] ?? '[]';
  const unnamed: Omit<DoubleImage, 'Id'> = {
    Os: 'linux',
    Architecture: ARCHITECTURE,
    Created: new Date().toISOString(),
    Config: {
      Env: [...dockerfile.matchAll(/^ENV (.*)$/gm)].map(([, pair = '']) => pair),
      Entrypoint: JSON.parse(entrypoint),
    },
    RootFS: { Layers: [layer] },
  };
  const Id = `sha256:${createHash('sha256').update(JSON.stringify(unnamed)).digest('hex')}`;
  const image = cached ?? { Id, ...unnamed };
  await fs.writeFile(join(STATE, nameOf(image.Id, 'tar')), tar);
  await fs.writeFile(join(STATE, nameOf(image.Id, 'json')), JSON.stringify(image));
  await fs.writeFile(join(STATE, 'latest'), image.Id);
  if (args.includes('--iidfile')) {
    await fs.writeFile(valueAfter('--iidfile'), image.Id);
  }
  console.error(`${files} files in image ${image.Id.slice(7, 19)}`);
}

async function layerOf(context: string, dockerfile: string): Promise<{ files: number; tar: Buffer }> {
  const tar = pack();
  const chunks: Buffer[] = [];
  const collected = pipeline(tar, async (stream) => {
    for await (const chunk of stream) {
      chunks.push(chunk as Buffer);
    }
  });
  const mtime = new Date('2026-01-01T00:00:00Z');
  for (const name of ['opt/', 'opt/agent/']) {
    tar.entry({ name, type: 'directory', mode: 0o755, mtime });
  }
  const copies = [...dockerfile.matchAll(/^COPY (\S+) \/(\S+)$/gm)].sort(([, , a = ''], [, , b = '']) =>
    a < b ? -1 : 1,
  );
  for (const [, from = '', name = ''] of copies) {
    tar.entry({ name, mode: 0o755, mtime }, await fs.readFile(join(context, from)));
  }
  tar.finalize();
  await collected;
  return { files: copies.length, tar: Buffer.concat(chunks) };
}

function nameOf(id: string, kind: 'tar' | 'json'): string {
  return `${id.replace('sha256:', '')}.${kind}`;
}

async function readImages(): Promise<DoubleImage[]> {
  const names = (await fs.readdir(STATE)).filter((name) => name.endsWith('.json'));
  return await Promise.all(
    names.map(async (name) => JSON.parse(await fs.readFile(join(STATE, name), 'utf8'))),
  );
}

async function save(id: string): Promise<void> {
  const archive = pack();
  const layer = 'layer.tar';
  archive.entry({ name: layer }, await fs.readFile(join(STATE, nameOf(id, 'tar'))));
  archive.entry({ name: 'manifest.json' }, JSON.stringify([{ Layers: [layer] }]));
  archive.finalize();
  await pipeline(archive, process.stdout);
}

const [first = '', second = '', ...rest] = process.argv.slice(2);
const last = rest.at(-1) ?? second;
switch (`${first} ${second}`) {
  case 'image inspect': {
    const id = last.startsWith('sha256:') ? last : await fs.readFile(join(STATE, 'latest'), 'utf8');
    const image = (await readImages()).find(({ Id }) => Id === id);
    console.log(rest.includes('{{.Id}}') ? image?.Id : JSON.stringify(image === undefined ? [] : [image]));
    process.exitCode = image === undefined ? 1 : 0;
    break;
  }
  case 'image save':
    await save(last);
    break;
  case 'image rm':
    for (const name of await fs.readdir(STATE)) {
      await fs.rm(join(STATE, name));
    }
    break;
  case 'container create': {
    const image = rest.find((arg) => arg.startsWith('sha256:')) ?? '';
    await fs.writeFile(join(STATE, rest[rest.indexOf('--name') + 1] ?? ''), image);
    break;
  }
  case 'container inspect':
    console.log(`${new Date().toISOString()} 48000000`);
    break;
  case 'container export': {
    const image = await fs.readFile(join(STATE, basename(last)), 'utf8');
    process.stdout.write(await fs.readFile(join(STATE, nameOf(image, 'tar'))));
    break;
  }
  default:
    if (first === 'build') {
      await build(process.argv.slice(3));
    } else if (first === 'version' || first === 'info') {
      console.log('0.0.0-double []');
    }
}
