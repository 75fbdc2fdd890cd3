import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { BottleError } from '../errors.ts';

/**
 * Reads a small regular file that others may have made: nothing that is endless, has to be waited for, or is another
 * file than its name says.
 * @param shown how the user knows it
 * @throws BottleError `usage` when it is not a regular file or has more than `maxBytes`, and errors as the system gives
 * them
 */
export async function readPlainFile(path: string, maxBytes: number, shown = path): Promise<Buffer> {
  if (!(await fs.lstat(path)).isFile()) {
    throw notPlain(shown);
  }
  // What has become a link or a FIFO since must not be followed or waited for.
  const file = await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) {
      throw notPlain(shown);
    }
    const buffer = Buffer.alloc(maxBytes + 1);
    let size = 0;
    for (let bytesRead = 1; bytesRead > 0 && size <= maxBytes; size += bytesRead) {
      ({ bytesRead } = await file.read(buffer, size, buffer.length - size));
    }
    if (size > maxBytes) {
      throw new BottleError('usage', `${shown} has more than ${maxBytes} bytes`, {
        hint: 'check that it is the file that is meant',
      });
    }
    return buffer.subarray(0, size);
  } finally {
    await file.close();
  }
}

function notPlain(shown: string): BottleError {
  return new BottleError('usage', `${shown} is not a plain file`, { hint: 'put a plain file there' });
}
