const NEEDS_ESCAPE = /[.+(){}|$/]/;

/**
 * Patterns of Go's filepath.Match, with the `**` of moby/patternmatcher: `**` and `**` with a slash stand for any
 * number of directories. Undefined where Go finds the pattern malformed.
 */
export function globToRegExp(pattern: string): RegExp | undefined {
  let source = '';
  for (let index = 0; index < pattern.length; index += 1) {
    const char = pattern.charAt(index);
    if (pattern.startsWith('**', index)) {
      index += pattern.charAt(index + 2) === '/' ? 2 : 1;
      source += index === pattern.length - 1 ? '.*' : '(?:.*/)?';
    } else if (char === '*') {
      source += '[^/]*';
    } else if (char === '?') {
      source += '[^/]';
    } else if (char === '[') {
      const end = classEnd(pattern, index);
      if (end === undefined) {
        return undefined;
      }
      source += pattern.slice(index, end).replaceAll('[', (bracket, at) => (at === 0 ? bracket : '\\['));
      index = end - 1;
    } else if (char === '\\') {
      index += 1;
      if (index === pattern.length) {
        return undefined;
      }
      source += escaped(pattern.charAt(index));
    } else {
      source += escaped(char);
    }
  }
  try {
    return new RegExp(`^${source}$`, 'su');
  } catch {
    return undefined;
  }
}

export function isGlob(text: string): boolean {
  return /[*?[\\]/.test(text);
}

/** The index behind the `]` that ends the class; a `]` can be its member only behind a backslash. */
function classEnd(pattern: string, start: number): number | undefined {
  for (let index = start + 1; index < pattern.length; index += 1) {
    if (pattern.charAt(index) === '\\') {
      index += 1;
    } else if (pattern.charAt(index) === ']') {
      return index + 1;
    }
  }
  return undefined;
}

function escaped(char: string): string {
  return NEEDS_ESCAPE.test(char) || /[*?[\]\\^]/.test(char) ? `\\${char}` : char;
}
