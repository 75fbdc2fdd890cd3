/** Something in a Dockerfile that we cannot tell the meaning of; the message says what. */
export class UnclearError extends Error {
  override readonly name = 'UnclearError';
}

/**
 * The variables that a line can use. With null one is declared and has no value. What is missing or undefined may
 * have one that we do not know: the base image can set it.
 */
export type Value = string | null | undefined;

export interface Variables {
  get(name: string): Value;
}

/** The variables of a stage, with those of the stage that it begins from behind them: no copy for each stage. */
export class StageVariables implements Variables {
  readonly #own = new Map<string, Value>();
  readonly #base: StageVariables | undefined;

  constructor(base: StageVariables | undefined) {
    this.#base = base;
  }

  has(name: string): boolean {
    return this.#holder(name) !== undefined;
  }

  get(name: string): Value {
    const holder = this.#holder(name);
    return holder === undefined ? undefined : holder.#own.get(name);
  }

  set(name: string, value: Value): void {
    this.#own.set(name, value);
  }

  #holder(name: string): StageVariables | undefined {
    let scope: StageVariables | undefined = this;
    while (scope !== undefined && !scope.#own.has(name)) {
      scope = scope.#base;
    }
    return scope;
  }
}

/** Cuts at whitespace outside of quotes; quotes and escapes stay in the words. */
export function splitWords(text: string, escapeChar: string): string[] {
  const words: string[] = [];
  let index = 0;
  while (index < text.length) {
    if (isBlank(text.charAt(index))) {
      index += 1;
    } else {
      const word = text.slice(index, endOfWord(text, index, escapeChar));
      words.push(word);
      index += word.length;
    }
  }
  return words;
}

/** The word that begins at `start`, read with the backslash. */
export function firstWord(text: string, start: number): string {
  return text.slice(start, endOfWord(text, start, '\\'));
}

function endOfWord(text: string, start: number, escapeChar: string): number {
  let quote: string | undefined;
  for (let index = start; index < text.length; index += 1) {
    const char = text.charAt(index);
    if (char === escapeChar && quote !== "'") {
      index += 1;
    } else if (quote === undefined && isBlank(char)) {
      return index;
    } else if (quote === undefined && (char === '"' || char === "'")) {
      quote = char;
    } else if (char === quote) {
      quote = undefined;
    }
  }
  return text.length;
}

export function isBlank(char: string): boolean {
  return /\s/.test(char);
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

const NAME = /[A-Za-z_]\w*/y;
/** No Dockerfile that someone wrote comes near it, and each costs a frame of the stack. */
const MAX_DEPTH = 100;
/** A path has a fraction of it; variables that hold each other twice would soon be longer than memory. */
const MAX_EXPANDED_CHARS = 64 * 1024;

class Expansion {
  readonly #text: string;
  readonly #variables: Variables;
  readonly #escape: string;
  #index = 0;
  #depth = 0;
  #expandedChars = 0;
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
    const operator = /^:?[-+]/.exec(this.#text.slice(this.#index, this.#index + 2))?.[0];
    if (name === '' || operator === undefined) {
      throw new UnclearError(`this form of \${} is not known here: ${this.#text}`);
    }
    this.#index += operator.length;
    const value = this.#isUnused ? '' : this.#declared(name);
    const isSet = value !== null && !(operator.startsWith(':') && value === '');
    const usesReplacement = isSet === operator.endsWith('+');
    const replacement = this.#readReplacement(usesReplacement);
    return usesReplacement ? replacement : isSet && operator.endsWith('-') ? this.#counted(value) : '';
  }

  /** Variables in a replacement that is not used need no value. */
  #readReplacement(isUsed: boolean): string {
    const isUnused = this.#isUnused;
    this.#isUnused = isUnused || !isUsed;
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) {
      throw new UnclearError('variables stand in one another too deeply');
    }
    const replacement = this.readUntil('}');
    this.#depth -= 1;
    this.#isUnused = isUnused;
    return replacement;
  }

  #readName(): string {
    NAME.lastIndex = this.#index;
    const name = NAME.exec(this.#text)?.[0] ?? '';
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
    return this.#counted(value);
  }

  #counted(value: string): string {
    this.#expandedChars += value.length;
    if (this.#expandedChars > MAX_EXPANDED_CHARS) {
      throw new UnclearError(`variables make a word of more than ${MAX_EXPANDED_CHARS} characters`);
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
