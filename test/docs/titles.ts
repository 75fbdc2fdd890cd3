import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAst } from 'rolldown/parseAst';

export const ROOT = join(import.meta.dirname, '../..');

/** The titles are as they stand in the file, so that they can hold placeholders: `%s is refused`. */
export interface DeclaredTest {
  readonly title: string;
  /** With the titles of the suites around it, as vitest prints them: `damage > of the checksum is found`. */
  readonly fullTitle: string;
}

interface TestFile {
  readonly source: string;
  readonly tests: readonly DeclaredTest[];
}

const files = new Map<string, TestFile>();

/** The tests that a file declares, read without running it. */
export function testsIn(path: string): readonly DeclaredTest[] {
  return readTestFile(path).tests;
}

/** Whether a file has a test of this full title, where any text that the file holds may stand for a placeholder. */
export function hasTest(path: string, fullTitle: string): boolean {
  const { source, tests } = readTestFile(path);
  return tests.some((test) => {
    if (test.fullTitle === fullTitle) {
      return true;
    }
    const values = patternOf(test.fullTitle).exec(fullTitle)?.slice(1) ?? [];
    return values.length > 0 && values.every((value) => source.includes(value.replace(/^"|"$/g, '')));
  });
}

function patternOf(template: string): RegExp {
  const texts = template
    .split(/%[sdifjoO#]|\$\{[^}]*\}|\$[a-z]\w*(?:\.\w+)*/)
    .map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${texts.join('(.+)')}$`, 's');
}

function readTestFile(path: string): TestFile {
  const known = files.get(path);
  if (known !== undefined) {
    return known;
  }
  const source = readFileSync(join(ROOT, path), 'utf8');
  const file = { source, tests: [...declaredTests(source)] };
  files.set(path, file);
  return file;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

function* declaredTests(source: string): Generator<DeclaredTest> {
  // Also under the names that a file gives them: `const registryTest = test.skipIf(…)`.
  const kinds = new Map([
    ['describe', 'suite'],
    ['test', 'test'],
    ['it', 'test'],
  ]);

  function* visit(value: unknown, suites: readonly string[]): Generator<DeclaredTest> {
    if (Array.isArray(value)) {
      for (const each of value) {
        yield* visit(each, suites);
      }
      return;
    }
    if (!isNode(value)) {
      return;
    }
    const [kind, title] = value.type === 'CallExpression' ? declarationOf(value) : [];
    if (value.type === 'VariableDeclarator' && isNode(value.init) && isNode(value.id)) {
      kinds.set(String(value.id.name), kinds.get(rootOf(value.init)) ?? '');
    }
    if (kind === 'test' && title !== undefined) {
      yield { title, fullTitle: [...suites, title].join(' > ') };
    }
    const inner = kind === 'suite' && title !== undefined ? [...suites, title] : suites;
    yield* visit(Object.values(value), inner);
  }

  function declarationOf(call: Node): [kind?: string | undefined, title?: string | undefined] {
    const [title, ...others] = call.arguments as readonly Node[];
    const hasBody = others.some(({ type }) => type.endsWith('FunctionExpression'));
    return hasBody ? [kinds.get(rootOf(call)), textOf(title)] : [];
  }

  function textOf(node: Node | undefined): string | undefined {
    if (node?.type === 'TemplateLiteral') {
      return source.slice(node.start + 1, node.end - 1);
    }
    return typeof node?.value === 'string' ? node.value : undefined;
  }

  yield* visit(parseAst(source, { lang: 'ts' }), []);
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value;
}

/** The name that a chain of calls begins with: `test` in `test.skipIf(…).each(…)(…)`. */
function rootOf(node: Node): string {
  const inner = node.callee ?? node.object ?? node.tag;
  return isNode(inner) ? rootOf(inner) : String(node.name ?? '');
}
