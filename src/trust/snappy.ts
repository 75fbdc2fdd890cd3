import { BottleError } from '../errors.ts';

/**
 * Raw snappy, as GitHub stores attestations; never more than `maxBytes`.
 * https://github.com/google/snappy/blob/main/format_description.txt
 * @throws BottleError `not-trusted` for what is none
 */
export function decodeSnappy(input: Buffer, maxBytes: number): Buffer {
  try {
    return decode(input, maxBytes);
  } catch (cause) {
    throw new BottleError('not-trusted', 'no provenance: the attestation cannot be unpacked', {
      hint: 'try again; if that does not help, do not use the sidecar',
      cause,
    });
  }
}

function decode(input: Buffer, maxBytes: number): Buffer {
  const { value: length, end } = readVarint(input);
  if (length > maxBytes) {
    throw new RangeError(`${length} bytes, at most ${maxBytes} are read`);
  }
  const output = Buffer.alloc(length);
  let from = end;
  let to = 0;
  while (from < input.length) {
    const element = readElement(input, from);
    from = element.end;
    if (element.offset === undefined) {
      if (from + element.length > input.length) {
        throw new RangeError('it ends within a literal');
      }
      input.copy(output, to, from, from + element.length);
      from += element.length;
    } else {
      if (element.offset === 0) {
        throw new RangeError('a copy of itself');
      }
      // Byte by byte: a copy may reach into what it writes. A Buffer throws a RangeError for what is outside of it.
      for (let i = 0; i < element.length; i += 1) {
        output.writeUInt8(output.readUInt8(to + i - element.offset), to + i);
      }
    }
    to += element.length;
  }
  if (to !== length) {
    throw new RangeError('more or less than it says');
  }
  return output;
}

function readVarint(input: Buffer): { value: number; end: number } {
  let value = 0;
  for (let i = 0; i < 5; i += 1) {
    const byte = input.readUInt8(i);
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) {
      return { value, end: i + 1 };
    }
  }
  throw new RangeError('a length of more than 32 bits');
}

/** A literal has no offset; its bytes follow. */
interface Element {
  readonly length: number;
  readonly offset?: number;
  readonly end: number;
}

function readElement(input: Buffer, at: number): Element {
  const tag = input.readUInt8(at);
  switch (tag & 3) {
    case 0: {
      const lengthBytes = Math.max(0, (tag >> 2) - 59);
      const length = lengthBytes === 0 ? tag >> 2 : input.readUIntLE(at + 1, lengthBytes);
      return { length: length + 1, end: at + 1 + lengthBytes };
    }
    case 1:
      return {
        length: ((tag >> 2) & 7) + 4,
        offset: ((tag >> 5) << 8) + input.readUInt8(at + 1),
        end: at + 2,
      };
    case 2:
      return { length: (tag >> 2) + 1, offset: input.readUInt16LE(at + 1), end: at + 3 };
    default:
      return { length: (tag >> 2) + 1, offset: input.readUInt32LE(at + 1), end: at + 5 };
  }
}
