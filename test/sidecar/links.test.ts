import { expect, test } from 'vitest';
import { linkInsideRoot } from '../../src/sidecar/links.ts';

test.each([
  ['etc/l', '../../../../bin/sh', '../bin/sh'],
  ['l', '../bin/sh', 'bin/sh'],
  ['l', '..', '.'],
  ['l', 'bin/../../bin/sh', 'bin/../bin/sh'],
  ['usr/lib/x/l', '../../../..', '../../..'],
  ['etc/l', '../usr/lib/../../..', '../usr/lib/../..'],
  ['etc/l', '/etc/../../x', '/etc/../x'],
  ['etc/l', '/../bin/sh', '/bin/sh'],
  ['l', '/', '.'],
  ['etc/l', '/', '..'],
  ['usr/lib/x/l', '//', '../../..'],
  ['etc/l', '/.', '..'],
  ['etc/l', '/bin/..', '..'],
  ['etc/l', '/bin/../..', '..'],
])('%s -> %s becomes %s', (path, target, expected) => {
  expect(linkInsideRoot(path, target)).toBe(expected);
  expect(linkInsideRoot(path, expected), 'and is accepted then').toBeUndefined();
});

test.each([
  ['l', '.'],
  ['l', 'bin/..'],
  ['etc/l', '..'],
  ['etc/l', '../bin/sh'],
  ['etc/l', '/bin/sh'],
  ['etc/l', '///bin'],
  ['etc/l', '/usr/../bin/sh'],
  ['usr/lib/x/l', '../../../'],
  ['etc/l', 'a..b/...'],
])('%s -> %s stays as it is', (path, target) => {
  expect(linkInsideRoot(path, target)).toBeUndefined();
});
