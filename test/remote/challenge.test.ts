import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseChallenges } from '../../src/remote/challenge.ts';

const REALM = 'https://auth.example/token';

function plain(header: string) {
  return parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
}

test.each([
  ['in quotation marks', `Bearer realm="${REALM}",service="s"`],
  ['with capitals anywhere', `BEARER Realm="${REALM}",SERVICE="s"`],
  ['without quotation marks', `Bearer realm=${REALM},service=s`],
  ['with blanks around the equals sign', `Bearer realm = "${REALM}" , service\t=\t"s"`],
  ['with blanks and without quotation marks', `Bearer  realm = ${REALM} , service = s`],
  ['with escapes', `Bearer realm="https:\\/\\/auth.example/tok\\en",service="\\s"`],
  ['with empty list elements', `, ,Bearer realm="${REALM}",,  ,service="s",`],
  ['in another order', `Bearer service="s", realm="${REALM}"`],
  ['with a parameter that is there twice', `Bearer realm="${REALM}",service="s",service="other"`],
])('a challenge %s is read', (_, header) => {
  expect(plain(header)).toEqual([['bearer', { realm: REALM, service: 's' }]]);
});

test.each([
  ['Basic realm="a", Bearer realm="b"', ['basic', { realm: 'a' }], ['bearer', { realm: 'b' }]],
  ['Bearer realm="a, Basic realm=\\"b\\""', ['bearer', { realm: 'a, Basic realm="b"' }]],
  ['Basic, Bearer realm=b', ['basic', {}], ['bearer', { realm: 'b' }]],
  ['Negotiate, NTLM, Basic realm="a"', ['negotiate', {}], ['ntlm', {}], ['basic', { realm: 'a' }]],
  ['Negotiate YII/+a==, Bearer realm="b"', ['negotiate', {}], ['bearer', { realm: 'b' }]],
  [
    'Newauth realm="apps", type=1, title="Log in, \\"now\\"", Basic realm="simple"',
    ['newauth', { realm: 'apps', type: '1', title: 'Log in, "now"' }],
    ['basic', { realm: 'simple' }],
  ],
  [
    'Digest qop="auth, auth-int", nonce="b5c9",Bearer realm="b",error="invalid_token"',
    ['digest', { qop: 'auth, auth-int', nonce: 'b5c9' }],
    ['bearer', { realm: 'b', error: 'invalid_token' }],
  ],
  ['Bearer realm=""', ['bearer', { realm: '' }]],
  ['Bearer realm="cut off', ['bearer', { realm: 'cut off' }]],
])('%s is told apart', (header, ...challenges) => {
  expect(plain(header)).toEqual(challenges);
});

test.each(['', ',', ' ', '=', '"', 'realm="a"', '@'])('%j holds no challenge', (header) => {
  expect(plain(header)).toEqual([]);
});

test('any list of challenges is read as it was meant', () => {
  const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
  const blank = fc.constantFrom('', ' ', '\t', '  ');
  const quoted = fc.string({ maxLength: 12 }).map((text) => text.replace(/[\r\n]/g, ''));
  const parameter = fc.tuple(token, quoted, blank, blank);
  const challenge = fc.tuple(token, fc.uniqueArray(parameter, { selector: ([name]) => name, minLength: 1 }));
  void fc.assert(
    fc.property(fc.array(challenge), fc.constantFrom(',', ', ', ' ,\t', ',,'), (challenges, comma) => {
      const header = challenges
        .map(([scheme, parameters]) => {
          const texts = parameters.map(
            ([name, value, before, after]) => `${name}${before}=${after}"${value.replace(/["\\]/g, '\\$&')}"`,
          );
          return `${scheme} ${texts.join(comma)}`;
        })
        .join(comma);
      expect(parseChallenges(header).map(({ scheme, parameters }) => [scheme, [...parameters]])).toEqual(
        challenges.map(([scheme, parameters]) => [scheme, parameters.map(([name, value]) => [name, value])]),
      );
    }),
  );
});

test('a long header takes time that grows with its length only', () => {
  for (const part of ['"\\', 'a=', 'a ', ' ', ',', 'a="']) {
    parseChallenges(`Bearer ${part.repeat(500_000)}`);
  }
});
