/** One way to log in that a server offers. https://datatracker.ietf.org/doc/html/rfc9110#section-11.6.1 */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** By name in lower case. Of a parameter that is there twice, the first counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

const SEPARATORS = /[\s,]*/y;
const TOKEN = /[!#$%&'*+.^_`|~\w-]+/y;
/** What `Negotiate` and the like have instead of parameters. It ends where the challenge ends. */
const TOKEN68 = /[ \t]+[\w.~+/-]+=*(?=[ \t]*(?:,|$))/y;
const EQUALS = /[ \t]*=[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"?/sy;
/** More than RFC 9110 allows: servers leave out the quotation marks around addresses. */
const UNQUOTED = /[^\s,]*/y;

/**
 * Reads a WWW-Authenticate header, or several that are joined by commas. A comma separates challenges as well as the
 * parameters of one: a name with `=` behind it is a parameter, and a name without it begins a challenge.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const reader = new Reader(header);
  const challenges: Array<{ scheme: string; parameters: Map<string, string> }> = [];
  for (;;) {
    reader.take(SEPARATORS);
    const name = reader.take(TOKEN)?.[0].toLowerCase();
    if (name === undefined) {
      // The end, or something that is not a challenge; nothing behind it can be relied on.
      return challenges;
    }
    const parameters = challenges.at(-1)?.parameters;
    if (reader.take(EQUALS) === undefined) {
      challenges.push({ scheme: name, parameters: new Map() });
      reader.take(TOKEN68);
    } else if (parameters !== undefined) {
      const quoted = reader.take(QUOTED)?.[1]?.replace(/\\(.)/gs, '$1');
      const value = quoted ?? reader.take(UNQUOTED)?.[0] ?? '';
      parameters.set(name, parameters.get(name) ?? value);
    }
  }
}

class Reader {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** What the pattern matches here, and goes behind it; undefined where it does not match. */
  take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#position;
    const match = pattern.exec(this.#text) ?? undefined;
    this.#position += match?.[0].length ?? 0;
    return match;
  }
}
