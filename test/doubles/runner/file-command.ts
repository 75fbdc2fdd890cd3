/**
 * The form of `$GITHUB_OUTPUT`, `$GITHUB_STATE` and `$GITHUB_ENV`: lines `name=value`, or `name<<delimiter`, the lines
 * of the value and the delimiter.
 * @throws Error as the runner reports it, such as "Matching delimiter not found 'EOF'"
 */
export function parsePairs(text: string): Map<string, string> {
  const pairs = new Map<string, string>();
  const lines = text.split('\n');
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    const equals = line.indexOf('=');
    const heredoc = line.indexOf('<<');
    if (line === '') {
      continue;
    }
    if (equals >= 0 && (heredoc < 0 || equals < heredoc)) {
      if (equals === 0) {
        throw new Error(`Invalid format '${line}'. Name must not be empty`);
      }
      pairs.set(line.slice(0, equals), line.slice(equals + 1));
    } else if (heredoc >= 0) {
      const delimiter = line.slice(heredoc + 2);
      if (heredoc === 0 || delimiter === '') {
        throw new Error(`Invalid format '${line}'. Name must not be empty and delimiter must not be empty`);
      }
      const end = lines.indexOf(delimiter);
      if (end < 0) {
        throw new Error(`Invalid value. Matching delimiter not found '${delimiter}'`);
      }
      pairs.set(
        line.slice(0, heredoc),
        lines
          .splice(0, end + 1)
          .slice(0, -1)
          .join('\n'),
      );
    } else {
      throw new Error(`Invalid format '${line}'`);
    }
  }
  return pairs;
}
