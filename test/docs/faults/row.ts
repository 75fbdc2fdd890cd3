/** A test file, as its path below `test/`, with the full titles of its tests that show the row. */
export type Tests = Readonly<Record<string, readonly string[]>>;

/** One thing that can go wrong, and the tests that show the behavior, or the reason why there are none. */
export type Row = {
  readonly situation: string;
  /** How a test brings it about, or would have to. */
  readonly injected: string;
  /** With the exit code of the command line; a step of the action ends with 1 whatever it is. */
  readonly expected: string;
} & ({ readonly tests: Tests } | { readonly untested: string });

export interface Chapter {
  readonly title: string;
  readonly rows: readonly Row[];
}
