import { stripVTControlCharacters } from 'node:util';
import { textWidth } from './text-width.ts';

export interface FoldOptions {
  /** In front of all lines but the first. */
  readonly indent?: string;
  /** Behind all lines but the last. */
  readonly end?: string;
  /** Where it may be cut; a space, which goes. */
  readonly at?: RegExp;
}

/** A line, colors and all, as lines of up to `columns` columns: cut between words. What is longer than that stands alone. */
export function foldLine(
  line: string,
  columns: number,
  { indent = '', end = '', at = / / }: FoldOptions = {},
): string[] {
  const width = (text: string) => textWidth(stripVTControlCharacters(text));
  if (width(line) <= columns) return [line];
  const [first = '', ...parts] = line.trimStart().split(at);
  const lines: string[] = [];
  let current = line.slice(0, line.length - line.trimStart().length) + first;
  for (const part of parts) {
    if (width(`${current} ${part}${end}`) <= columns) current += ` ${part}`;
    else {
      lines.push(current + end);
      current = indent + part;
    }
  }
  return [...lines, current];
}
