import { describe, expect, it } from 'vitest';
import { findSecrets, requireNoSecrets, type ScannedImage } from '../../src/publish/secret-scan.ts';

function image(config: ScannedImage['config'], ...history: readonly string[]): ScannedImage {
  return { config, history };
}

/** Put together here, so that nothing that scans this file takes them for real ones. */
function token(prefix: string, length: number, alphabet = 'aB3dE5gH7jK9'): string {
  return prefix + alphabet.repeat(length).slice(0, length);
}

const UPPER = 'A2B3C4D5';
const SECRETS: ReadonlyArray<readonly [kind: string, secret: string]> = [
  ...['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'].map((prefix) => ['GitHub token', token(prefix, 36)] as const),
  ['GitHub token', token('github_pat_', 82)],
  ['GitLab token', token('glpat-', 20)],
  ['AWS access key ID', token('AKIA', 16, UPPER)],
  ['AWS access key ID', token('ASIA', 16, UPPER)],
  ['AWS secret key', `aws_secret_access_key = ${token('', 40)}`],
  ['npm token', token('npm_', 36)],
  ['PyPI token', token('pypi-AgE', 60)],
  ['Slack token', token('xoxb-', 24)],
  ['Stripe key', token('sk_live_', 24)],
  ['Anthropic key', token('sk-ant-api03-', 90)],
  ['OpenAI key', token('sk-proj-', 48)],
  ['OpenAI key', token('sk-', 48)],
  ['Google key', token('AIza', 35)],
  ['JSON web token', `${token('eyJ', 20)}.${token('eyJ', 40)}.${token('', 43)}`],
  ['private key', `-----BEGIN RSA ${'PRIVATE KEY'}-----\n${token('MII', 61)}\n`],
  ['private key', `-----BEGIN OPENSSH ${'PRIVATE KEY'}-----\\n${token('b3B', 61)}\\n`],
  ['npm login', `//registry.example/:_authToken=${token('', 24)}`],
  ['password in a URL', `https://bot:${token('', 12)}@git.internal/repo`],
  ['Authorization header', `Authorization: Bearer ${token('', 24)}`],
];

describe('a token of a known format', () => {
  it.each(SECRETS)('is found wherever it stands: %s', (kind, secret) => {
    const config = {
      Env: ['PATH=/usr/bin', `SETTINGS=${secret}`],
      Labels: { note: `see ${secret}` },
      Entrypoint: ['sh', '-c', `run ${secret}`],
      Cmd: [secret],
      Healthcheck: { Test: ['CMD-SHELL', `curl ${secret}`] },
      OnBuild: [`RUN curl ${secret}`],
    };
    const found = findSecrets(image(config, 'CMD ["node"]', `RUN /bin/sh -c curl ${secret} # buildkit`));
    expect(found).toEqual(
      ['ENV SETTINGS', 'label note', 'ENTRYPOINT', 'CMD', 'ONBUILD', 'HEALTHCHECK', 'history line 2'].map(
        (place) => ({
          place,
          kind,
        }),
      ),
    );
  });

  it.each(SECRETS)('is in no message: %s', (_, secret) => {
    const scanned = image(
      { Env: [`A=${secret}`, `${secret}=x`], Labels: { [secret]: secret } },
      `RUN ${secret}`,
    );
    const error = errorOf(() => requireNoSecrets(scanned));
    const told = `${error.message}${error.stack}${error.hint}${JSON.stringify(error)}${JSON.stringify(findSecrets(scanned))}`;
    const innermost = secret.split(/[\s:@.=-]+|\\n/).filter((part) => part.length >= 12 && /\d/.test(part));
    for (const part of [secret, ...innermost]) {
      expect(told).not.toContain(part);
    }
  });
});

function errorOf(act: () => void): Error & { code?: unknown; hint?: unknown } {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected an error');
}

describe('a variable that is named like a secret', () => {
  it.each([
    'GH_TOKEN',
    'NPM_TOKEN',
    'GITHUB_TOKEN_2',
    'DB_PASSWORD',
    'PGPASSWORD',
    'MYSQL_ROOT_PASSWORD',
    'OPENAI_API_KEY',
    'APIKEY',
    'SECRET_KEY_BASE',
    'CLIENT_SECRET',
    'authToken',
    'api.secret-key',
  ])('is found by its literal value: %s', (name) => {
    const found = findSecrets(image({ Env: [`${name}=hunter2-and-more`] }));
    expect(found).toEqual([{ place: `ENV ${name}`, kind: 'named like one' }]);
  });

  it.each([
    'ENV DB_PASSWORD=hunter2-and-more',
    '/bin/sh -c #(nop)  ENV DB_PASSWORD=hunter2-and-more',
    'ARG DB_PASSWORD=hunter2-and-more',
    'RUN |1 DB_PASSWORD=hunter2-and-more /bin/sh -c make # buildkit',
    '|1 DB_PASSWORD=hunter2-and-more /bin/sh -c make',
    'RUN /bin/sh -c export DB_PASSWORD="hunter2-and-more"; make # buildkit',
    "RUN /bin/sh -c DB_PASSWORD='hunter2-and-more' make # buildkit",
  ])('is found in the history: %s', (line) => {
    expect(findSecrets(image({}, line))).toEqual([{ place: 'history line 1', kind: 'value of DB_PASSWORD' }]);
  });

  it.each(['my-own-words-123', '$$weird', 'P@ssw0rd', '12345678'])('may hold anything: %j', (value) => {
    expect(findSecrets(image({ Env: [`DB_PASSWORD=${value}`] }))).toHaveLength(1);
  });

  it('is found in an option of a command', () => {
    expect(findSecrets(image({ Cmd: ['serve', '--api-key=hunter2-and-more'] }))).toEqual([
      { place: 'CMD', kind: 'value of api-key' },
    ]);
  });

  it.each([
    '',
    '$OTHER',
    `\${OTHER}`,
    '$(cat /run/secrets/token)',
    '/run/secrets/token',
    'file:/run/secrets/token',
    'op://vault/item/field',
    'changeme',
    'your-token-here',
    '<token>',
    'xxxxxxxxxxxxxxxxxxxx',
    'true',
    '4096',
  ])('may hold values that are not secrets: %j', (value) => {
    const { length } = findSecrets(
      image({ Env: [`GH_TOKEN=${value}`] }, `ENV GH_TOKEN=${value}`, `RUN GH_TOKEN="${value}" make`),
    );
    expect(length).toBe(0);
  });

  it.each([
    'CLAUDE_CODE_MAX_OUTPUT_TOKENS=32000',
    'TOKENIZERS_PARALLELISM=disabled-here',
    'POSTGRES_PASSWORD_FILE=somewhere-else',
    'TOKEN_ENDPOINT=login.example',
    'MYSQL_ALLOW_EMPTY_PASSWORD=yes-please',
    'AWS_ACCESS_KEY_ID=see-the-vault',
    'NO_TOKEN=whatever-this-is',
  ])('only says something about one: %s', (variable) => {
    expect(findSecrets(image({ Env: [variable] }, `ENV ${variable}`))).toEqual([]);
  });
});

describe('what common images have', () => {
  const HEX = '0123456789ABCDEF'.repeat(4);

  it.each([
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'NODE_VERSION=24.11.1',
    'YARN_VERSION=1.22.22',
    `GPG_KEY=${HEX.slice(0, 40)}`,
    `PYTHON_SHA256=${HEX.toLowerCase()}`,
    'PYTHON_VERSION=3.14.1',
    'LANG=C.UTF-8',
    `NGINX_GPGKEY_FINGERPRINT=${HEX.slice(0, 40)}`,
    'JAVA_HOME=/opt/java/openjdk',
    'GOTOOLCHAIN=local',
    `RABBITMQ_PGP_KEY_ID=0x${HEX.slice(0, 40)}`,
    'DEBIAN_FRONTEND=noninteractive',
    'NPM_CONFIG_LOGLEVEL=info',
    'HTTP_PROXY=http://proxy.internal:3128',
    'SSH_AUTH_SOCK=/ssh-agent',
    'PWD=/root',
  ])('passes: %s', (variable) => {
    expect(
      findSecrets(image({ Env: [variable] }, `ENV ${variable}`, `RUN |1 ${variable} /bin/sh -c make`)),
    ).toEqual([]);
  });

  it.each([
    `RUN /bin/sh -c for key in ${HEX.slice(0, 40)} ${HEX.slice(8, 48)}; do gpg --batch --keyserver hkps://keys.example --recv-keys "$key"; done # buildkit`,
    'RUN /bin/sh -c set -eux; savedAptMark="$(apt-mark showmanual)"; token="$(curl -s https://auth.example/token?service=a | jq -r .token)"; curl -H "Authorization: Bearer $token" https://example.com',
    'RUN /bin/sh -c --mount=type=secret,id=npm_token NPM_TOKEN=$(cat /run/secrets/npm_token) npm ci',
    "RUN /bin/sh -c sed -i 's/^password=.*/password=/; s!^token=.*!!' /etc/app.conf",
    'RUN /bin/sh -c git clone git@github.com:acme/tools.git && git clone ssh://git@github.com/acme/tools',
    `RUN /bin/sh -c npm config set //registry.example/:_authToken=\${NPM_TOKEN}`,
    `RUN /bin/sh -c echo "//npm.example/:_authToken=\\\${NPM_TOKEN}" > .npmrc`,
    'RUN /bin/sh -c curl -u "$USER:$PASSWORD" "https://$USER:$PASSWORD@example.com:8443/x"',
    `RUN /bin/sh -c docker pull docker://alpine:3.20@sha256:${HEX.toLowerCase()}`,
    'RUN /bin/sh -c pip install scikit-learn task-runner-with-a-rather-long-name disk-usage-of-very-many-files',
    "RUN /bin/sh -c node -e 'const token=process.env.TOKEN; const secret=read(1)'",
    `RUN /bin/sh -c grep -q -- '-----BEGIN ${'PRIVATE KEY'}-----' key.pem`,
    'COPY docker-entrypoint.sh /usr/local/bin/ # buildkit',
  ])('passes: %s', (line) => {
    expect(findSecrets(image({ Entrypoint: ['/bin/sh', '-c', line] }, line))).toEqual([]);
  });

  it('passes with no config at all, as from scratch', () => {
    expect(findSecrets(image({ Env: null, Labels: null, Cmd: null }))).toEqual([]);
  });
});

describe('a very long line', () => {
  it.each(['a.', 'a-', 'eyJ-', 'a_', 'a://', '-----BEGIN A '])(
    'of %j is read in the time of a test',
    (part) => {
      const line = part.repeat(200_000);
      expect(findSecrets(image({ Env: [`A=${line}`, `${line}=x`], Cmd: [line] }, line))).toEqual([]);
    },
  );
});

describe('an image that contains secrets', () => {
  it('is refused, with each place, the kind and the way out', () => {
    const scanned = image(
      { Env: [`GH_TOKEN=${token('ghp_', 36)}`] },
      'CMD ["node"]',
      `RUN |1 NPM_TOKEN=${token('npm_', 36)} /bin/sh -c npm ci`,
    );
    expect(errorOf(() => requireNoSecrets(scanned))).toMatchObject({
      code: 'secret-found',
      message: 'secrets found in the image: ENV GH_TOKEN (GitHub token), history line 2 (npm token)',
      hint: expect.stringContaining('--secret'),
    });
  });

  it('with very many of them is refused with a short message', () => {
    const lines = Array.from({ length: 500 }, () => `RUN curl ${token('ghp_', 36)}`);
    expect(errorOf(() => requireNoSecrets(image({}, ...lines))).message).toMatch(/ and 490 more$/);
  });

  it('is not found where there are none', () => {
    expect(requireNoSecrets(image({ Env: ['PATH=/bin'] }))).toBeUndefined();
  });
});
