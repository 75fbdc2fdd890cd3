/**
 * A pattern of Go's filepath.Match, with the `**` of moby/patternmatcher: `**` and `**` with a slash stand for any
 * number of directories.
 */
export interface Glob {
  matches(path: string): boolean;
}

/**
 * What one place of a pattern takes: a character that is accepted, or any number of them. `across` is a `**` in front of
 * something: nothing, or all up to a slash.
 */
type Part =
  | { readonly kind: 'one'; readonly accepts: (char: string) => boolean }
  | { readonly kind: 'names' | 'all' | 'across' };

/** Undefined where Go finds the pattern malformed. */
export function parseGlob(pattern: string): Glob | undefined {
  const chars = [...pattern];
  const parts: Part[] = [];
  for (let index = 0; index < chars.length; index += 1) {
    const char = chars[index] ?? '';
    if (char === '*' && chars[index + 1] === '*') {
      index += chars[index + 2] === '/' ? 2 : 1;
      parts.push({ kind: index === chars.length - 1 ? 'all' : 'across' });
    } else if (char === '*') {
      parts.push({ kind: 'names' });
    } else if (char === '?') {
      parts.push({ kind: 'one', accepts: (each) => each !== '/' });
    } else if (char === '[') {
      const end = classEnd(chars, index);
      const accepts = end && classOf(chars.slice(index, end));
      if (end === undefined || !accepts) {
        return undefined;
      }
      parts.push({ kind: 'one', accepts });
      index = end - 1;
    } else {
      index += char === '\\' ? 1 : 0;
      const literal = chars[index];
      if (literal === undefined) {
        return undefined;
      }
      parts.push({ kind: 'one', accepts: (each) => each === literal });
    }
  }
  return new PartsGlob(parts);
}

export function isGlob(text: string): boolean {
  return /[*?[\\]/.test(text);
}

/**
 * Follows all ways through the pattern at once, one character of the path after the other, so that no pattern takes more
 * steps than its length times the path's.
 */
class PartsGlob implements Glob {
  readonly #parts: readonly Part[];
  readonly #minLength: number;

  constructor(parts: readonly Part[]) {
    this.#parts = parts;
    this.#minLength = parts.filter(({ kind }) => kind === 'one').length;
  }

  matches(path: string): boolean {
    // A path never has more characters than code units.
    if (path.length < this.#minLength) {
      return false;
    }
    let places = new Places(this.#parts.length);
    this.#enter(places, 0);
    for (const char of path) {
      const next = new Places(this.#parts.length);
      for (const place of places.list) {
        this.#step(place, char, next);
      }
      if (next.list.length === 0) {
        return false;
      }
      places = next;
    }
    return places.has(this.#parts.length);
  }

  /** A part of the pattern that may match nothing is passed at once. */
  #enter(places: Places, first: number): void {
    for (let place = first; places.add(place); place += 1) {
      const kind = this.#parts[place]?.kind;
      if (kind === undefined || kind === 'one') {
        return;
      }
    }
  }

  #step(place: number, char: string, next: Places): void {
    const part = this.#parts[place];
    if (part === undefined) {
      return;
    }
    if (part.kind === 'one') {
      if (part.accepts(char)) {
        this.#enter(next, place + 1);
      }
    } else if (part.kind === 'names') {
      if (char !== '/') {
        this.#enter(next, place);
      }
    } else if (part.kind === 'all') {
      next.add(place);
      next.add(place + 1);
    } else {
      // Once begun, it ends behind a slash only.
      next.stay(place);
      if (char === '/') {
        this.#enter(next, place + 1);
      }
    }
  }
}

/** Places in a pattern, each once; one that was only stayed at can still be entered. */
class Places {
  readonly list: number[] = [];
  readonly #entered: Uint8Array;
  readonly #listed: Uint8Array;

  constructor(length: number) {
    this.#entered = new Uint8Array(length + 1);
    this.#listed = new Uint8Array(length + 1);
  }

  /** False when it was entered before. */
  add(place: number): boolean {
    if (this.#entered[place] !== 0) {
      return false;
    }
    this.#entered[place] = 1;
    this.stay(place);
    return true;
  }

  stay(place: number): void {
    if (this.#listed[place] === 0) {
      this.#listed[place] = 1;
      this.list.push(place);
    }
  }

  has(place: number): boolean {
    return this.#entered[place] === 1;
  }
}

/** The index behind the `]` that ends the class; a `]` can be its member only behind a backslash. */
function classEnd(chars: readonly string[], start: number): number | undefined {
  for (let index = start + 1; index < chars.length; index += 1) {
    if (chars[index] === '\\') {
      index += 1;
    } else if (chars[index] === ']') {
      return index + 1;
    }
  }
  return undefined;
}

/** One character is compared at a time, so that the expression cannot take long. */
function classOf(chars: readonly string[]): ((char: string) => boolean) | undefined {
  const source = chars.map((char, index) => (char === '[' && index > 0 ? String.raw`\[` : char)).join('');
  try {
    const regExp = new RegExp(`^${source}$`, 'su');
    return (char) => regExp.test(char);
  } catch {
    return undefined;
  }
}
