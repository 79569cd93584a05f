/** A line of a list of references that is neither blank nor a comment alone. */
export interface ListedLine {
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

/** What a list of references says, one a line: blank lines, and what follows a `#`, are left out. */
export function linesOfList(list: string): ListedLine[] {
  return list
    .replace(/^\ufeff/, '')
    .split(/\r\n|\r|\n/)
    .flatMap((written, i) => {
      const text = written.replace(/(?:^|\s)#.*$/, '').trim();
      return text === '' ? [] : [{ text, line: i + 1 }];
    });
}
