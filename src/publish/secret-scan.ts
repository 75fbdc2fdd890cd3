import { BottleError } from '../errors.ts';

/** The parts of an image that everyone who gets it can read, besides its files. */
export interface ScannedImage {
  /** What it runs with, as an OCI image config has it: Env, Labels, Cmd, Entrypoint. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The lines of `docker image history`, the newest first. */
  readonly history: readonly string[];
}

/** Where a secret stands and of which kind it is; never the secret. */
export interface FoundSecret {
  /** "ENV GH_TOKEN", "history line 3". */
  readonly place: string;
  readonly kind: string;
}

/**
 * Formats that nothing else has, mostly as their issuers document them for secret scanners. Repetitions at the
 * beginning are bounded, here and below: a long line would keep the search busy.
 */
const TOKENS: ReadonlyArray<readonly [kind: string, pattern: RegExp]> = [
  ['GitHub token', /\bgh[pousr]_[A-Za-z0-9]{30}|\bgithub_pat_\w{30}/g],
  ['GitLab token', /\bglpat-[\w-]{20}/g],
  ['AWS access key ID', /\b(?:AKIA|ASIA)[A-Z2-7]{16}\b/g],
  ['AWS secret key', /\baws_?secret_?access_?key["']?\s*[=:]\s*["']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])/gi],
  ['npm token', /\bnpm_[A-Za-z0-9]{36}/g],
  // What follows is a macaroon in base64: version 2, then its location.
  ['PyPI token', /\bpypi-AgE[\w-]{40}/g],
  ['Slack token', /\bxox[a-z]-[\w-]{10}/g],
  ['Stripe key', /\b[rs]k_live_[A-Za-z0-9]{16}/g],
  ['Anthropic key', /(?<![\w-])sk-ant-[\w-]{20}/g],
  ['OpenAI key', /(?<![\w-])sk-(?!ant-)(?:[a-z]{2,10}-[\w-]{20}|[A-Za-z0-9]{32})/g],
  ['Google key', /\bAIza[\w-]{35}/g],
  ['JSON web token', /\beyJ[\w-]{10,1000}\.eyJ[\w-]{10,}\.[\w-]{10}/g],
  ['private key', /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----.{0,200}?[A-Za-z0-9+/]{40}/gs],
];

/** Those that only their surroundings tell. */
const VALUES: ReadonlyArray<readonly [kind: string, pattern: RegExp]> = [
  ['npm login', /(?:^|[\s:"'])_(?:authToken|auth|password)\s*=\s*["']?(?<value>[^\s"';&|]+)/g],
  // An image by digest is not a user at a host.
  ['password in a URL', /\b[a-z][a-z0-9+.-]{0,30}:\/\/[^\s/@:"']*:(?<value>[^\s/@"']+)@(?!sha256:)/gi],
  [
    'Authorization header',
    /\bauthorization["']?:\s*["']?(?:bearer|basic|token)\s+(?<value>(?:\$\(|[^\s"'])[^\s"']*)/gi,
  ],
];

const ASSIGNMENT =
  /(?<![\w$.])(?<name>[A-Za-z_][\w.-]{0,100})=(?:\\?"(?<double>[^"\\]*)|'(?<single>[^']*)|(?<bare>[^\s;&|)"']*))/g;

/** Matches names in upper case with underscores. */
const SECRET_NAME =
  /(?:^|_)(?:[A-Z0-9]*(?:TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET)|(?:API|ACCESS|PRIVATE|SECRET)_?KEY)\d*(?=_|$)/;
/** They say something of a secret, such as where it is. */
const ABOUT_A_SECRET =
  /_(?:FILE|PATH|DIR|URL|URI|ENDPOINT|HOST|NAME|USER|ID|TYPE|HEADER|FORMAT|PREFIX|LENGTH|SIZE|LIMIT|COUNT|TTL|EXPIRY|TIMEOUT|AGE|VERSION|ALGORITHM|POLICY|PROVIDER|STORE|BACKEND|MODE|ENABLED|REQUIRED|SHA256)$|(?:^|_)(?:MAX|MIN|NO|ALLOW|DISABLE|ENABLE|USE|REQUIRE)_/;

/** A variable, a command, a template, a pattern, a path, an address in a vault, a piece of a program. */
const REFERENCE =
  /^(?:\\?\$[\w({]|%\w+%|[<`{[.*^@]|\/\w|\w+\/\w+\/|(?:file|env|vault|op|arn|ssm|https?):|(?:process\.env|os\.environ)\b|\w[\w.]*\()/i;
const PLACEHOLDER =
  /^(?:.{0,3}|(.)\1*|\d{1,5}|true|false|none|null|undefined|unset|empty|auto|disabled|enabled|optional|required|(?:change|replace)[_-]?(?:me|this|it)?|todo|redacted|placeholder|pass(?:word|wd)?|secret|token|api[_-]?key|(?:your|test|dummy|fake)[_ -].*|(?:my|some)[_ -](?:token|secret|pass|key|api).*)$|example|x{6}|\*{3}/i;

const MAX_SHOWN_NAME_CHARS = 100;
const MAX_SHOWN_PLACES = 10;

/** Tokens, keys and passwords in an image's environment, labels, commands and history. */
export function findSecrets({ config, history }: ScannedImage): FoundSecret[] {
  const found = [
    ...texts(config.Env).flatMap((variable) => secretsOfPair('ENV', ...pairOf(variable))),
    ...pairs(config.Labels).flatMap(([name, value]) => secretsOfPair('label', name, value)),
    ...['Entrypoint', 'Cmd', 'OnBuild'].flatMap((field) =>
      at(field.toUpperCase(), kindsIn(texts(config[field]).join(' '))),
    ),
    ...at('HEALTHCHECK', kindsIn(texts(healthTest(config.Healthcheck)).join(' '))),
    ...history.flatMap((line, index) => at(`history line ${index + 1}`, kindsIn(line))),
  ];
  return found;
}

/**
 * Refuses to hand out an image that contains secrets.
 * @throws BottleError `secret-found` that names each place, without the values
 */
export function requireNoSecrets(image: ScannedImage): void {
  const found = findSecrets(image);
  if (found.length === 0) {
    return;
  }
  const places = found.slice(0, MAX_SHOWN_PLACES).map(({ place, kind }) => `${place} (${kind})`);
  const more = found.length > places.length ? ` and ${found.length - places.length} more` : '';
  throw new BottleError('secret-found', `secrets found in the image: ${places.join(', ')}${more}`, {
    hint: 'revoke them, and give them to the build as secrets (docker build --secret, RUN --mount=type=secret) instead of by ENV, ARG or a command line',
  });
}

function secretsOfPair(what: string, name: string, value: string): FoundSecret[] {
  const kinds = kindsIn(value);
  const all = kinds.length === 0 && isSecretPair(name, value) ? ['named like one'] : kinds;
  return at(`${what} ${shownName(name)}`, all);
}

/** The kinds of secrets in a text, each once. */
function kindsIn(text: string): string[] {
  const tokens = TOKENS.filter(([, pattern]) =>
    matches(text, pattern).some(([token]) => !PLACEHOLDER.test(token)),
  );
  const values = VALUES.filter(([, pattern]) =>
    matches(text, pattern).some(({ groups }) => isLiteral(groups?.value ?? '')),
  );
  const kinds = [...tokens, ...values].map(([kind]) => kind);
  if (kinds.length > 0) {
    return kinds;
  }
  const names = matches(text, ASSIGNMENT)
    .map(({ groups = {} }) => ({
      name: groups.name ?? '',
      value: groups.double ?? groups.single ?? groups.bare ?? '',
    }))
    .filter(({ name, value }) => isSecretPair(name, value))
    .map(({ name }) => `value of ${shownName(name)}`);
  return [...new Set(names)];
}

function matches(text: string, pattern: RegExp): RegExpExecArray[] {
  return [...text.matchAll(pattern)];
}

function isSecretPair(name: string, value: string): boolean {
  const upper = name
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll(/[.-]/g, '_')
    .toUpperCase();
  return SECRET_NAME.test(upper) && !ABOUT_A_SECRET.test(upper) && isLiteral(value);
}

function isLiteral(value: string): boolean {
  const text = value.trim();
  return !REFERENCE.test(text) && !PLACEHOLDER.test(text);
}

/** A name is shown unless it could be a secret itself, or a part of one. */
function shownName(name: string): string {
  const isPlain = /^[A-Za-z_][\w./-]*$/.test(name) && name.length <= MAX_SHOWN_NAME_CHARS;
  return isPlain && TOKENS.every(([, pattern]) => name.search(pattern) < 0) ? name : 'with an unusual name';
}

function at(place: string, kinds: readonly string[]): FoundSecret[] {
  return kinds.map((kind) => ({ place, kind }));
}

function pairOf(variable: string): [name: string, value: string] {
  const equals = variable.indexOf('=');
  return equals < 0 ? [variable, ''] : [variable.slice(0, equals), variable.slice(equals + 1)];
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

function pairs(value: unknown): Array<[name: string, value: string]> {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === 'string')
    : [];
}

function healthTest(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'Test' in value ? value.Test : undefined;
}
