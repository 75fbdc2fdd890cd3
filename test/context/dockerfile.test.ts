// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how Dockerfiles name variables
import { describe, expect, test } from 'vitest';
import { readDockerfile } from '../../src/context/dockerfile.ts';

interface Options {
  readonly target?: string;
  readonly args?: Record<string, string>;
}

function view(text: string, { target, args = {} }: Options = {}) {
  const buildArgs = new Map(Object.entries(args));
  return readDockerfile(text, { target, buildArgs, platform: 'linux/arm64' });
}

/** The paths that a Dockerfile sees; fails when it is unclear. */
function paths(text: string, options: Options = {}): string[] {
  const { sources, reasons } = view(text, options);
  expect(reasons).toEqual([]);
  return sources.map(({ path }) => path);
}

describe('COPY and ADD', () => {
  test.each<[string, string[]]>([
    ['COPY a b /x/', ['a', 'b']],
    ['copy a /x', ['a']],
    ['COPY . /x', ['']],
    ['COPY / /x', ['']],
    ['COPY ../../a ./b//c/ /x/', ['a', 'b/c']],
    ['COPY ["a b", "c", "/x/"]', ['a b', 'c']],
    ['COPY --chown=1:1 --chmod=755 --link a /x', ['a']],
    ['COPY --exclude=*.md --exclude="a b" src /x', ['src']],
    ['COPY --parents a/*/b c/./d/e.txt /x/', ['a', 'c/d/e.txt']],
    ['COPY --parents **/package.json /x/', ['']],
    ['COPY --parents=false a/* /x/', ['a/*']],
    ['COPY "a" \'b\' c\\d /x/', ['a', 'b', 'cd']],
    ['ADD --checksum=sha256:ab https://example.org/a.tar a /x/', ['a']],
    ['ADD https://example.org/${UNKNOWN}.tar /x/', []],
    ['ADD --keep-git-dir=true https://example.org/r.git#v1 /x', []],
    ['ADD git@example.org:a/b.git /x', []],
    ['ADD name://of/a/file a.b@c:d HTTPS://a /x/', ['name:/of/a/file', 'a.b@c:d', 'HTTPS:/a']],
    ['COPY --from=docker.io/library/alpine:3 /etc /x', []],
    ['COPY a* b?[c-e] /x/', ['a*', 'b?[c-e]']],
  ])('%s', (line, expected) => {
    expect(paths(`FROM scratch\n${line}\n`)).toEqual(expected);
  });

  test('heredocs are not files, and their bodies are not instructions', () => {
    const text = [
      'FROM scratch',
      'COPY <<one <<-"two" a /x/',
      'COPY from-one /',
      'one',
      'COPY from-two /',
      '\ttwo',
      'RUN <<EOF cat 3<<OTHER',
      'COPY run /',
      'EOF',
      'COPY other /',
      'OTHER',
      'RUN echo "<<NOT" $((1<<2))',
      'COPY b /x',
    ].join('\n');
    expect(paths(text)).toEqual(['a', 'b']);
  });

  test('lines go on behind backslashes, comments and blank lines', () => {
    const text =
      'FROM scratch\r\nCOPY a \\\r\n# comment \\\r\n\r\n   b \\ \r\n  # more\r\n  /x/\r\nCOPY c /\r\n';
    expect(paths(text)).toEqual(['a', 'b', 'c']);
  });

  test('a comment does not go on', () => {
    expect(paths('# first \\\nFROM scratch\n# second \\\nCOPY a /\n')).toEqual(['a']);
  });

  test('the escape directive names another sign', () => {
    expect(paths('# syntax=docker/dockerfile:1\n# escape=`\nFROM scratch\nCOPY a `\n b /x/\n')).toEqual([
      'a',
      'b',
    ]);
  });
});

describe('variables', () => {
  test.each<[string, string, Options, string[]]>([
    ['a default', 'FROM scratch\nARG D=src\nCOPY $D/a ${D}b /', {}, ['src/a', 'srcb']],
    ['a build arg', 'FROM scratch\nARG D=src\nCOPY $D /', { args: { D: 'lib' } }, ['lib']],
    ['a global ARG', 'ARG D=src\nFROM scratch\nARG D\nCOPY $D /', {}, ['src']],
    ['a build arg for a global ARG', 'ARG D\nFROM scratch\nARG D\nCOPY $D /', { args: { D: 'x' } }, ['x']],
    ['a global ARG of another', 'ARG A=1\nARG B=v$A\nFROM scratch\nARG B\nCOPY $B /', {}, ['v1']],
    ['ENV', 'FROM scratch\nENV D=src E="a b"\nCOPY ["$D", "${E}", "/"]', {}, ['src', 'a b']],
    ['ENV without =', 'FROM scratch\nENV D src dir\nCOPY ["$D", "/"]', {}, ['src dir']],
    ['ENV of the line before', 'FROM scratch\nENV A=1\nENV A=2 B=$A\nCOPY $B /', {}, ['1']],
    ['ENV over ARG', 'FROM scratch\nARG D=a\nENV D=b\nCOPY $D /', {}, ['b']],
    ['the stage below', 'FROM scratch AS base\nENV D=src\nFROM base\nCOPY $D /', {}, ['src']],
    [
      'the platform',
      'FROM scratch\nARG TARGETARCH TARGETOS\nCOPY $TARGETOS-$TARGETARCH /',
      {},
      ['linux-arm64'],
    ],
    ['a default for none', 'FROM scratch\nARG D\nCOPY ${D:-src} ${D-a} ${D:+b}c /', {}, ['src', 'a', 'c']],
    [
      'a default for none in a stage that leads to scratch',
      'FROM scratch AS a\nFROM a\nARG D\nCOPY ${D:-src} /',
      {},
      ['src'],
    ],
    ['a build arg on a base image', 'FROM a\nARG D\nCOPY ${D:-x} /', { args: { D: 'src' } }, ['src']],
    ['a default not used', 'FROM scratch\nARG D=x\nCOPY ${D:-$NO} ${D:+y} /', {}, ['x', 'y']],
    ['a default in a default', 'FROM scratch\nARG D\nCOPY ${D:-${D:-${D:-a}}}/b /', {}, ['a/b']],
    ['quoted', 'FROM scratch\nARG D=x\nCOPY \'$D\' "$D" \\$D /', {}, ['$D', 'x', '$D']],
    ['a URL', 'FROM scratch\nARG U=https://example.org\nADD $U/a b /', {}, ['b']],
  ])('%s', (_what, text, options, expected) => {
    expect(paths(text, options)).toEqual(expected);
  });
});

describe('mounts', () => {
  test.each<[string, string[]]>([
    ['RUN --mount=type=bind,source=a,target=/a --mount=type=bind,src=b,dst=/b make', ['a', 'b']],
    ['RUN --mount=type=bind,target=/src make', ['']],
    ['RUN --mount=target=/src make', ['']],
    ['RUN --network=none --mount=type=bind,from=docker.io/x,source=a,target=/a make', []],
    ['RUN --mount=type=cache,target=/c --mount=type=secret,id=s --mount=type=tmpfs,target=/t make', []],
    ['RUN make --mount=type=bind,source=a,target=/a', []],
    ['RUN --mount=type=bind,source=a,target=/a ["make"]', ['a']],
    ['ONBUILD COPY a /', ['a']],
  ])('%s', (line, expected) => {
    expect(paths(`FROM scratch\n${line}\n`)).toEqual(expected);
  });
});

describe('stages', () => {
  const TEXT = `FROM scratch AS base
COPY base /
FROM scratch AS tools
COPY tools /
FROM scratch AS docs
COPY docs /
FROM base AS build
COPY --from=Tools /x /
COPY build /
FROM scratch
RUN --mount=type=bind,from=build,target=/b true
COPY --from=0 /y /
COPY last /
`;

  test.each<[string | undefined, string[]]>([
    [undefined, ['base', 'tools', 'build', 'last']],
    ['base', ['base']],
    ['BUILD', ['base', 'tools', 'build']],
    ['2', ['docs']],
  ])('target %s needs no other stages than these', (target, expected) => {
    expect(paths(TEXT, target === undefined ? {} : { target })).toEqual(expected);
  });

  test('a stage that is named by a variable without a value can be any', () => {
    const text = 'FROM scratch AS a\nCOPY a /\nFROM scratch AS b\nCOPY b /\nFROM $WHICH\nCOPY c /\n';
    expect(paths(text)).toEqual(['a', 'b', 'c']);
    expect(paths(`ARG WHICH=a\n${text}`)).toEqual(['a', 'c']);
    expect(paths(`ARG WHICH=a\n${text}`, { args: { WHICH: 'b' } })).toEqual(['b', 'c']);
  });

  test('a stage can have the name of the image that it starts from', () => {
    expect(paths('FROM scratch AS node\nCOPY a /\nFROM node AS node\nCOPY b /\n')).toEqual(['a', 'b']);
  });

  test('what is unclear in a stage that is not needed does not matter', () => {
    expect(paths('FROM scratch AS other\nCOPY $NO /\nFROM scratch\nCOPY a /\n')).toEqual(['a']);
  });
});

describe('unclear is', () => {
  test.each<[string, string, RegExp]>([
    [
      'a variable without a value',
      'FROM scratch\nARG SRC\nCOPY $SRC /',
      /^COPY \$SRC \/: the variable SRC has no value$/,
    ],
    [
      'a variable that the base image may set',
      'FROM a\nCOPY ${D:-x} /',
      /value of the variable D is not known/,
    ],
    [
      'an ARG without a value that the base image may set',
      'FROM a\nARG D\nCOPY ${D:-x} /',
      /^COPY \$\{D:-x\} \/: the value of the variable D is not known/,
    ],
    ['the same in a stage on such a stage', 'FROM a AS b\nFROM b\nARG D\nCOPY ${D:-x} /', /the variable D/],
    ['a global ARG without a value', 'ARG D\nFROM a\nARG D\nCOPY ${D:-x} /', /the variable D/],
    ['a global ARG that the stage does not declare', 'ARG D=a\nFROM b\nCOPY $D /', /the variable D/],
    ['a default made of such', 'FROM a\nARG D=$HOME/x\nCOPY ${D:-y} /', /the variable D/],
    ['ARG after another ENV', 'FROM a\nENV D=x\nARG D=y\nCOPY $D /', /the variable D/],
    ["the builder's platform", 'FROM a\nARG BUILDARCH\nCOPY $BUILDARCH /', /the variable BUILDARCH/],
    ['a cut in a variable', 'FROM a\nARG D=x\nCOPY ${D%.*} /', /this form of \$\{\}/],
    ['another frontend', '# syntax=example.org/mine:1\nFROM a\n', /example\.org\/mine:1/],
    [
      'another frontend behind a shebang',
      '#!/x\n# syntax=example.org/mine:1\nFROM a\n',
      /example\.org\/mine:1/,
    ],
    ['ONBUILD with a variable', 'FROM a\nENV D=x\nONBUILD COPY $D /', /variables of later builds/],
    ['an unknown instruction', 'FROM a\nINCLUDE b', /not known here/],
    ['an unknown flag', 'FROM a\nCOPY --new b /', /--new is not known here/],
    ['an unknown mount', 'FROM a\nRUN --mount=type=new,target=/a b', /mount type new/],
    ['a heredoc without an end', 'FROM a\nRUN <<EOF\nCOPY a /\n', /heredoc EOF has no end/],
    ['a quote without an end', 'FROM a\nCOPY "a b" /', /quote has no end/],
    ['a malformed pattern', 'FROM a\nCOPY a[b /', /not a valid pattern/],
    ['a file without stages', '# nothing\n', /no FROM/],
  ])('%s', (_what, text, reason) => {
    expect(view(text).reasons.join('\n')).toMatch(reason);
  });

  test('a target that is not there', () => {
    expect(view('FROM a', { target: 'b' }).reasons).toEqual(['there is no stage b']);
  });

  test('a frontend that a build arg puts in', () => {
    expect(view('FROM a', { args: { BUILDKIT_SYNTAX: 'mine' } }).reasons.join()).toMatch(/mine/);
  });
});
