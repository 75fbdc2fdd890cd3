import fc from 'fast-check';

interface Edit {
  readonly kind: 'flip' | 'cut' | 'insert' | 'repeat' | 'end' | 'swap';
  /** Where, as a part of the length. */
  readonly at: number;
  readonly length: number;
  readonly bytes: Uint8Array;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom('flip', 'cut', 'insert', 'repeat', 'end', 'swap'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat({ max: 64 }),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 16 }),
    fc.constantFrom(
      ...[
        ...[
          '{',
          '}',
          '[',
          ']',
          '"',
          ',',
          ':',
          '\\',
          '\n',
          '\r\n',
          '\0',
          '\u202e',
          '%00',
          '../',
          '/',
          '*',
          '**',
          '!',
          '#',
          '=',
          ' ',
          '$',
          '${',
          '<<',
        ],
        ...['null', '-1', '1e999', '18446744073709551616', '__proto__', 'constructor'],
      ].map((text) => new TextEncoder().encode(text)),
    ),
  ),
});

/** One of the samples with up to eight edits, or bytes that have nothing to do with them. */
export function mutated(samples: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const edited = fc
    .tuple(fc.constantFrom(...samples), fc.array(edit, { minLength: 1, maxLength: 8 }))
    .map(([sample, edits]) => edits.reduce(apply, sample));
  const noise = fc.uint8Array({ maxLength: 512 }).map((bytes) => Buffer.from(bytes));
  return fc.oneof({ weight: 9, arbitrary: edited }, { weight: 1, arbitrary: noise });
}

function apply(input: Buffer, { kind, at, length, bytes }: Edit): Buffer {
  const start = Math.floor(at * input.length);
  const [before, after] = [input.subarray(0, start), input.subarray(start)];
  switch (kind) {
    case 'flip': {
      const copy = Buffer.from(input);
      copy.set(bytes.subarray(0, copy.length - start), start);
      return copy;
    }
    case 'cut':
      return Buffer.concat([before, after.subarray(length)]);
    case 'insert':
      return Buffer.concat([before, bytes, after]);
    case 'repeat':
      return Buffer.concat([before, ...Array.from({ length }, () => after.subarray(0, length)), after]);
    case 'end':
      return Buffer.from(before);
    case 'swap':
      return Buffer.concat([after, before]);
  }
}
