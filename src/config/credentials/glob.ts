/** As Go's `filepath.Match`, for a text without a slash: `*`, `?`, `[a-z]`, `[^a-z]`, and `\` before what means itself. */

type Token = '*' | ((character: string) => boolean);

/** What is no pattern matches nothing. Takes no longer than the product of both lengths, whatever the pattern. */
export function globMatches(glob: string, text: string): boolean {
  const tokens = tokensOf(glob);
  if (tokens === undefined) return false;
  let [at, i] = [0, 0];
  // Where to go on if the last star takes one more
  let [afterStar, taken] = [-1, 0];
  while (i < text.length) {
    const token = tokens[at];
    if (token === '*') {
      at += 1;
      [afterStar, taken] = [at, i];
    } else if (token?.(text.charAt(i))) {
      at += 1;
      i += 1;
    } else if (afterStar >= 0) {
      taken += 1;
      [at, i] = [afterStar, taken];
    } else return false;
  }
  return tokens.slice(at).every((token) => token === '*');
}

function tokensOf(glob: string): Token[] | undefined {
  const tokens: Token[] = [];
  let rest = glob;
  while (rest !== '') {
    const [part, not, set] =
      /^(?:\*+|\?|\\.|\[(\^?)((?:(?:\\.|[^\]\\-])(?:-(?:\\.|[^\]\\-]))?)+)\]|[^*?[\\])/s.exec(rest) ?? [];
    if (part === undefined) return undefined;
    rest = rest.slice(part.length);
    if (part.startsWith('*')) tokens.push('*');
    else if (part === '?') tokens.push(() => true);
    else if (set !== undefined) tokens.push(oneOf(set, not === '^'));
    else tokens.push((character) => character === part.slice(-1));
  }
  return tokens;
}

function oneOf(set: string, negated: boolean): (character: string) => boolean {
  const ranges = [...set.matchAll(/(?:\\(.)|([^\\-]))(?:-(?:\\(.)|([^\\-])))?/gs)].map(
    ([, escapedLow, plainLow, escapedHigh, plainHigh]) => {
      const low = escapedLow ?? plainLow ?? '';
      return { low, high: escapedHigh ?? plainHigh ?? low };
    },
  );
  return (character) => ranges.some(({ low, high }) => low <= character && character <= high) !== negated;
}
