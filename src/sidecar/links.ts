/**
 * What a link is to say so that smolvm accepts it; undefined when it may stay. A machine is not made from a sidecar in
 * which the text of one link climbs above the root, or is an absolute path to the root itself, though both mean
 * something to every kernel: above the root is the root.
 * @param path of the link, from the root
 */
export function linkInsideRoot(path: string, target: string): string | undefined {
  const isAbsolute = target.startsWith('/');
  const directory = namesIn(path).slice(0, -1);
  const kept: string[] = [];
  let depth = isAbsolute ? 0 : directory.length;
  for (const name of namesIn(target)) {
    if (name !== '..') {
      depth += 1;
      kept.push(name);
    } else if (depth > 0) {
      depth -= 1;
      kept.push(name);
    }
  }
  if (isAbsolute && depth === 0) {
    return '../'.repeat(directory.length).slice(0, -1) || '.';
  }
  if (kept.length === namesIn(target).length) {
    return undefined;
  }
  return isAbsolute ? `/${kept.join('/')}` : kept.join('/') || '.';
}

function namesIn(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
