/** Something in a Dockerfile that we cannot tell the meaning of; the message says what. */
export class UnclearError extends Error {
  override readonly name = 'UnclearError';
}

/**
 * The variables that a line can use. With null one is declared and has no value. What is missing or undefined may
 * have one that we do not know: the base image can set it.
 */
export type Variables = ReadonlyMap<string, string | null | undefined>;

/** Cuts at whitespace outside of quotes; quotes and escapes stay in the words. */
export function splitWords(text: string, escapeChar: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote: string | undefined;
  for (let index = 0; index < text.length; index += 1) {
    const char = text.charAt(index);
    if (char === escapeChar && quote !== "'") {
      word += char + text.charAt(index + 1);
      index += 1;
      continue;
    }
    if (quote === undefined && /\s/.test(char)) {
      if (word !== '') {
        words.push(word);
      }
      word = '';
      continue;
    }
    if (quote === undefined && (char === '"' || char === "'")) {
      quote = char;
    } else if (char === quote) {
      quote = undefined;
    }
    word += char;
  }
  return word === '' ? words : [...words, word];
}

/**
 * Takes quotes and escapes away and puts variables in, as BuildKit does in a word.
 * https://docs.docker.com/reference/dockerfile/#environment-replacement
 * @throws UnclearError when a variable has no value, or a form of `${}` is not known here
 */
export function expandWord(text: string, variables: Variables, escapeChar: string): string {
  const expansion = new Expansion(text, variables, escapeChar);
  return expansion.readUntil(undefined);
}

class Expansion {
  readonly #text: string;
  readonly #variables: Variables;
  readonly #escape: string;
  #index = 0;
  #isUnused = false;

  constructor(text: string, variables: Variables, escapeChar: string) {
    this.#text = text;
    this.#variables = variables;
    this.#escape = escapeChar;
  }

  /** Stops before `end`, outside of quotes. */
  readUntil(end: string | undefined): string {
    let result = '';
    while (this.#index < this.#text.length && this.#peek() !== end) {
      const char = this.#next();
      if (char === "'") {
        result += this.#readSingleQuoted();
      } else if (char === '"') {
        result += this.#readDoubleQuoted();
      } else if (char === this.#escape) {
        result += this.#next();
      } else {
        result += char === '$' ? this.#readVariable() : char;
      }
    }
    if (end !== undefined && this.#next() !== end) {
      throw new UnclearError(`\${ has no end in ${this.#text}`);
    }
    return result;
  }

  #readSingleQuoted(): string {
    const end = this.#text.indexOf("'", this.#index);
    if (end === -1) {
      throw new UnclearError(`a quote has no end in ${this.#text}`);
    }
    const quoted = this.#text.slice(this.#index, end);
    this.#index = end + 1;
    return quoted;
  }

  #readDoubleQuoted(): string {
    let result = '';
    for (;;) {
      const char = this.#next();
      if (char === '') {
        throw new UnclearError(`a quote has no end in ${this.#text}`);
      }
      if (char === '"') {
        return result;
      }
      if (char === '$') {
        result += this.#readVariable();
      } else if (char === this.#escape && ['"', '$', this.#escape].includes(this.#peek())) {
        result += this.#next();
      } else {
        result += char;
      }
    }
  }

  #readVariable(): string {
    if (this.#peek() !== '{') {
      const name = this.#readName();
      if (name === '' && /[\d@*#!?$-]/.test(this.#peek())) {
        throw new UnclearError(`$${this.#peek()} is not known here: ${this.#text}`);
      }
      return name === '' ? '$' : this.#valueOf(name);
    }
    this.#next();
    const name = this.#readName();
    if (name !== '' && this.#peek() === '}') {
      this.#next();
      return this.#valueOf(name);
    }
    const operator = this.#text.slice(this.#index).match(/^:?[-+]/)?.[0];
    if (name === '' || operator === undefined) {
      throw new UnclearError(`this form of \${} is not known here: ${this.#text}`);
    }
    this.#index += operator.length;
    const value = this.#isUnused ? '' : this.#declared(name);
    const isSet = value !== null && !(operator.startsWith(':') && value === '');
    const usesReplacement = isSet === operator.endsWith('+');
    const replacement = this.#readReplacement(usesReplacement);
    return usesReplacement ? replacement : isSet && operator.endsWith('-') ? value : '';
  }

  /** Variables in a replacement that is not used need no value. */
  #readReplacement(isUsed: boolean): string {
    const isUnused = this.#isUnused;
    this.#isUnused = isUnused || !isUsed;
    const replacement = this.readUntil('}');
    this.#isUnused = isUnused;
    return replacement;
  }

  #readName(): string {
    const name = this.#text.slice(this.#index).match(/^[A-Za-z_]\w*/)?.[0] ?? '';
    this.#index += name.length;
    return name;
  }

  #valueOf(name: string): string {
    if (this.#isUnused) {
      return '';
    }
    const value = this.#declared(name);
    if (value === null) {
      throw new UnclearError(`the variable ${name} has no value`);
    }
    return value;
  }

  #declared(name: string): string | null {
    const value = this.#variables.get(name);
    if (value === undefined) {
      throw new UnclearError(`the value of the variable ${name} is not known here`);
    }
    return value;
  }

  #peek(): string {
    return this.#text.charAt(this.#index);
  }

  #next(): string {
    const char = this.#peek();
    this.#index += 1;
    return char;
  }
}
