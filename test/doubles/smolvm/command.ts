import { spawn } from 'node:child_process';

export async function run(
  command: string,
  args: readonly string[],
  { mayFail = false }: { mayFail?: boolean } = {},
): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const message = Buffer.concat(errors).toString().trim();
  if (code !== 0 && !mayFail) {
    throw new Error(`${command} failed (exit ${code}): ${message}`);
  }
}
