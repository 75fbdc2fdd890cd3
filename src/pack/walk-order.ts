const SLASH = 0x2f;

/**
 * The order of a canonical layer: depth first, with the names in each directory in the order of their bytes. Every
 * known engine exports in it, so that no layer has to be sorted.
 */
export class WalkOrder {
  #previous: Buffer = Buffer.alloc(0);
  #isKept = true;

  /** False once, for the first path that breaks the order. */
  follows(path: Buffer): boolean {
    if (!this.#isKept) {
      return true;
    }
    this.#isKept = compareWalked(this.#previous, path) <= 0;
    this.#previous = path;
    return this.#isKept;
  }
}

/** As if the slash were the first of all bytes. */
function compareWalked(one: Buffer, other: Buffer): number {
  const length = Math.min(one.length, other.length);
  for (let index = 0; index < length; index += 1) {
    const [left, right] = [one[index] as number, other[index] as number];
    if (left !== right) {
      return left === SLASH ? -1 : right === SLASH ? 1 : left - right;
    }
  }
  return one.length - other.length;
}
