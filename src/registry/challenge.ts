/** What a server asks for in `WWW-Authenticate` (RFC 9110, 11.6.1). */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Longer, and more, than any server's: each is answered, some with a password. */
const maxLength = 8192;
const maxChallenges = 8;
const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const quoted = /"((?:[^"\\]|\\.)*)"/y;
const plain = /[^\s",]+/y;
const gap = /[\s,]*/y;
const equals = /[ \t]*=[ \t]*/y;

/** All challenges of a header, however they are spread over its lines. What is not well formed ends it. */
export function parseChallenges(header: string | readonly string[] | undefined): Challenge[] {
  const text = (typeof header === 'string' ? [header] : (header ?? [])).join(', ').slice(0, maxLength);
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  for (;;) {
    take(gap);
    const word = take(token)?.[0];
    if (word === undefined) return challenges;
    if (take(equals) === null) {
      if (challenges.length === maxChallenges) return challenges;
      challenges.push({ scheme: word.toLowerCase(), parameters: Object.create(null) });
      continue;
    }
    const string = take(quoted)?.[1]?.replace(/\\(.)/g, '$1');
    const value = string ?? take(plain)?.[0] ?? '';
    const current = challenges.at(-1);
    if (current !== undefined) current.parameters[word.toLowerCase()] ??= value;
  }
}
