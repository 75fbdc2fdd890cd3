import { BottleError } from '../errors.ts';
import { isTagName } from '../identity/ref-name.ts';
import { quoted } from '../identity/shown-text.ts';
import { DEFAULT_SMOLVM_VERSION } from './smolvm-release.ts';

export interface Secret {
  readonly id: string;
  readonly value: string;
}

interface Grammar {
  readonly pattern: Pick<RegExp, 'test'>;
  readonly hint: string;
}

/** No control characters, and nothing that docker could take for an option. */
export const PATH: Grammar = {
  pattern: /^[^-\p{Cc}][^\p{Cc}]{0,1023}$/u,
  hint: 'use a path that does not begin with - and has no control characters',
};
export const STAGE: Grammar = {
  pattern: /^[A-Za-z0-9][\w.-]{0,127}$/,
  hint: 'use the name or number of a build stage: letters, digits, _ . -',
};
export const BUILD_ARG: Grammar = {
  pattern: /^[A-Za-z_]\w{0,127}=[^\p{Cc}]{0,4096}$/u,
  hint: 'use one KEY=VALUE a line; KEY is letters, digits and _',
};
const SECRET: Grammar = {
  pattern: /^[A-Za-z0-9][\w.-]{0,127}=[^\0]{1,65536}$/u,
  hint: 'use one ID=VALUE a line; ID is letters, digits, _ . -',
};
export const ARTIFACT_NAME: Grammar = {
  pattern: /^[A-Za-z0-9][\w.-]{0,99}$/,
  hint: 'use up to 100 letters, digits, _ . -',
};
export const VERSION: Grammar = {
  pattern: /^\d{1,4}\.\d{1,4}\.\d{1,4}$/,
  hint: `use a released version such as ${DEFAULT_SMOLVM_VERSION}`,
};
export const SHA256: Grammar = { pattern: /^[0-9a-f]{64}$/, hint: 'use 64 hex digits in lower case' };
export const TAG: Grammar = {
  pattern: { test: isTagName },
  hint: 'use the name of a tag as git takes it, such as v1.2.0 or @acme/agent@1.2.0',
};
export const HOST: Grammar = {
  pattern: /^[A-Za-z0-9][\w.-]{0,252}(:\d{1,5})?$/,
  hint: 'use one HOST or HOST:PORT a line',
};
export const SMOKE_TEST: Grammar = {
  pattern: /^[^\0]{1,4096}$/s,
  hint: 'use up to 4096 characters, none of them NUL',
};
const TOKEN: Grammar = { pattern: /^[\x21-\x7e]{1,4096}$/, hint: 'give it github.token, or leave it out' };

export type InputReader = ReturnType<typeof inputReader>;

/** Reads the text of an input as what it must be; every refusal names the input and what it may be. */
export function inputReader(get: (name: string) => string) {
  const text = (name: string, grammar: Grammar): string | undefined => {
    const value = get(name);
    if (value === '') {
      return undefined;
    }
    if (!grammar.pattern.test(value)) {
      throw invalid(name, value, grammar.hint);
    }
    return value;
  };
  return {
    text,
    isGiven: (name: string) => get(name) !== '',
    required(name: string, grammar: Grammar): string {
      const value = text(name, grammar);
      if (value === undefined) {
        throw new BottleError('usage', `the input ${name} is empty`, { hint: grammar.hint });
      }
      return value;
    },
    lines(name: string, grammar: Grammar): string[] {
      const lines = nonEmptyLines(get(name));
      for (const line of lines) {
        if (!grammar.pattern.test(line)) {
          throw invalid(name, line, grammar.hint);
        }
      }
      return lines;
    },
    /** Here and below the value is never part of the error. */
    token(name: string): string | undefined {
      const value = get(name);
      if (value !== '' && !TOKEN.pattern.test(value)) {
        throw new BottleError('usage', `the input ${name} is not a token`, { hint: TOKEN.hint });
      }
      return value === '' ? undefined : value;
    },
    secrets(name: string): Secret[] {
      return splitSecrets(get(name)).map((entry, index) => {
        if (!SECRET.pattern.test(entry)) {
          throw new BottleError('usage', `entry ${index + 1} of the input ${name} is not ID=VALUE`, {
            hint: SECRET.hint,
          });
        }
        const equals = entry.indexOf('=');
        return { id: entry.slice(0, equals), value: entry.slice(equals + 1) };
      });
    },
    choice<T extends string>(name: string, choices: readonly [T, ...T[]]): T {
      const value = get(name);
      const chosen = choices.find((choice) => choice === value);
      if (chosen === undefined) {
        throw invalid(name, value, `use one of ${choices.join(', ')}`);
      }
      return chosen;
    },
    wholeNumber(name: string, minimum: number, maximum: number): number | undefined {
      const value = get(name);
      if (value === '') {
        return undefined;
      }
      const number = Number(value);
      if (!/^\d{1,9}$/.test(value) || number < minimum || number > maximum) {
        throw invalid(name, value, `use a whole number from ${minimum} to ${maximum}`);
      }
      return number;
    },
  };
}

export function nonEmptyLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

export function invalid(name: string, value: string, hint: string): BottleError {
  return new BottleError('usage', `the input ${name} cannot be ${quoted(value)}`, { hint });
}

/** Lines, but for entries in double quotes, which may hold newlines and "" for a quote. */
function splitSecrets(text: string): string[] {
  const entries = text.matchAll(/^[ \t]*(?:"(?<quoted>(?:[^"]|"")*)"|(?<plain>[^\n]*))[ \t]*$/gm);
  return [...entries]
    .map(({ groups }) => groups?.quoted?.replaceAll('""', '"') ?? groups?.plain?.trim() ?? '')
    .filter((entry) => entry !== '');
}

/** Parsers of `identity/` do not know which input they read. */
export function naming<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof BottleError && error.hint !== undefined) {
      throw new BottleError('usage', `the input ${name}: ${error.message}`, { hint: error.hint });
    }
    throw error;
  }
}
