/** Writes DER, as much of it as certificates and time stamps need. https://www.itu.int/rec/T-REC-X.690 */

export function der(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) {
    return Buffer.from([length]);
  }
  const bytes = length < 0x100 ? 1 : length < 0x10000 ? 2 : 3;
  const long = Buffer.alloc(bytes);
  long.writeUIntBE(length, 0, bytes);
  return Buffer.concat([Buffer.from([0x80 + bytes]), long]);
}

export const sequence = (...contents: Buffer[]) => der(0x30, ...contents);
export const set = (...contents: Buffer[]) => der(0x31, ...contents);
/** Explicit, constructed. */
export const context = (number: number, ...contents: Buffer[]) => der(0xa0 + number, ...contents);
export const octets = (bytes: Buffer) => der(0x04, bytes);
export const bits = (bytes: Buffer) => der(0x03, Buffer.from([0]), bytes);
export const boolean = (value: boolean) => der(0x01, Buffer.from([value ? 0xff : 0]));
export const utf8 = (text: string) => der(0x0c, Buffer.from(text));

/** Of a positive number. */
export function integer(value: number | Buffer): Buffer {
  const bytes = typeof value === 'number' ? Buffer.from([value]) : value;
  return der(0x02, (bytes[0] ?? 0) > 0x7f ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
}

export function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((part) => {
    const digits = [part & 0x7f];
    for (let left = Math.floor(part / 128); left > 0; left = Math.floor(left / 128)) {
      digits.unshift((left & 0x7f) | 0x80);
    }
    return digits;
  });
  return der(0x06, Buffer.from(bytes));
}

/** Whole seconds, as the readers of time stamps want them. */
export function generalizedTime(time: Date): Buffer {
  return der(0x18, Buffer.from(`${time.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`));
}

export function utcTime(time: Date): Buffer {
  return der(0x17, Buffer.from(`${time.toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`));
}
