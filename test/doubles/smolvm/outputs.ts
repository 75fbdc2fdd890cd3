import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { die } from './failures.ts';
import { delayStage, FAULT } from './knobs.ts';
import { type AssetsMember, joinSidecar, writeAssets } from './sidecar-writer.ts';

const SPINNER_FRAMES = [...'⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'];
const SPINNER_INTERVAL_MS = 200;
const LIBRARIES_FOOTER_BYTES = 32;
const STUB = '#!/bin/sh\necho "smolvm-double: a stub of a test double" >&2\nexit 1\n';

export interface Outputs {
  readonly members: readonly AssetsMember[];
  readonly libraries: readonly AssetsMember[];
  readonly manifest: object;
  readonly staging: string;
}

/** Writes `<output>` and `<output>.smolmachine` as smolvm does: over what is there, in place, not atomically. */
export async function writeOutputs(output: string, outputs: Outputs): Promise<void> {
  const sidecar = `${output}.smolmachine`;
  if (FAULT === 'no-output' || FAULT === 'empty-output') {
    await Promise.all(FAULT === 'no-output' ? [] : [fs.writeFile(output, ''), fs.writeFile(sidecar, '')]);
    return;
  }
  const temporary = await fs.mkdtemp(join(tmpdir(), '.tmp'));
  const stopSpinner = startSpinner('Assembling packed binary');
  try {
    const assetsPath = join(temporary, 'assets.tar.zst');
    await writeAssets(outputs.members, assetsPath);
    await writeStub(output, outputs);
    await delayStage();
    await writeSidecarOrFail(sidecar, { assetsPath, manifest: outputs.manifest });
  } finally {
    stopSpinner();
    await fs.rm(temporary, { recursive: true, force: true });
  }
  await printSummary(output, sidecar);
}

async function writeSidecarOrFail(
  sidecar: string,
  { assetsPath, manifest }: { assetsPath: string; manifest: object },
): Promise<void> {
  switch (FAULT) {
    case 'only-stub':
      return;
    case 'die-after-stub':
      return await die('SIGKILL');
    case 'die-mid-sidecar':
      await writeHalf(sidecar, assetsPath);
      return await die('SIGKILL');
    case 'enospc':
      await writeHalf(sidecar, assetsPath);
      throw new Error('No space left on device (os error 28)');
  }
  await joinSidecar(sidecar, { assetsPath, manifest });
  if (FAULT === 'corrupt-sidecar') {
    await flipByte(sidecar, Math.floor((await fs.stat(assetsPath)).size / 2));
  }
}

async function writeHalf(sidecar: string, assetsPath: string): Promise<void> {
  await fs.copyFile(assetsPath, sidecar);
  await fs.truncate(sidecar, Math.floor((await fs.stat(assetsPath)).size / 2));
}

async function flipByte(path: string, position: number): Promise<void> {
  const file = await fs.open(path, 'r+');
  try {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, position);
    await file.write(Buffer.from([buffer.readUInt8() ^ 0xff]), 0, 1, position);
  } finally {
    await file.close();
  }
}

/** An executable with its libraries and a footer behind it. */
async function writeStub(output: string, { libraries, staging }: Outputs): Promise<void> {
  const archive = join(staging, 'libraries.tar.zst');
  const archiveBytes = await writeAssets(libraries, archive);
  const footer = Buffer.alloc(LIBRARIES_FOOTER_BYTES);
  footer.write('SMOLLIBS');
  footer.writeUInt32LE(1, 8);
  footer.writeBigUInt64LE(BigInt(STUB.length), 12);
  footer.writeBigUInt64LE(BigInt(archiveBytes), 20);
  await fs.writeFile(output, Buffer.concat([Buffer.from(STUB), await fs.readFile(archive), footer]));
  await fs.chmod(output, 0o755);
}

/** smolvm draws it also where there is no terminal. */
function startSpinner(text: string): () => void {
  let frame = 0;
  const draw = () =>
    process.stdout.write(`\r${SPINNER_FRAMES[frame++ % SPINNER_FRAMES.length]} ${text}\x1b[K`);
  draw();
  const timer = setInterval(draw, SPINNER_INTERVAL_MS);
  return () => clearInterval(timer);
}

async function printSummary(output: string, sidecar: string): Promise<void> {
  const kib = async (path: string) =>
    Math.round(((await fs.stat(path).catch(() => undefined))?.size ?? 0) / 1024);
  const [stub, assets] = [await kib(output), await kib(sidecar)];
  process.stdout.write(
    '\rAssembling packed binary done\x1b[K\n' +
      `Packed: ${output} (stub: ${stub}KB, total: ${stub + assets}KB)\n` +
      `Assets: ${sidecar} (${assets}KB compressed)\n\nRun with: ${output}\n` +
      'Note: Keep the .smolmachine file alongside the binary\nOptions: --help for usage\n',
  );
}
