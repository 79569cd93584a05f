import { foldLine } from '../output/fold-line.ts';

/** Where a line of help that is indented goes on: below the words, not below the column in front of them. */
const gap = /^\s+\S+\s{2,}/;

const betweenOptions = / (?=--?[a-z]|\|)/;

/**
 * Help for a terminal of `width` columns. Sentences are filled anew, as they are written for another width; what is
 * indented keeps its lines, and an example that is too long goes on behind a backslash, so that it can be copied.
 */
export function fitHelp(help: string, width: number): string {
  const lines: string[] = [];
  let sentences: string[] = [];
  const fill = () => {
    if (sentences.length > 0) lines.push(...foldLine(sentences.join(' '), width));
    sentences = [];
  };
  let isExample = false;
  for (const line of help.split('\n')) {
    const isProse = /^\S/.test(line);
    if (isProse && (sentences.length > 0 || !line.endsWith(':'))) {
      sentences.push(line);
      continue;
    }
    fill();
    if (line !== '' && isProse) isExample = line === 'Examples:';
    if (line.length <= width) lines.push(line);
    else if (isExample)
      lines.push(...foldLine(line, width, { indent: '    ', end: ' \\', at: betweenOptions }));
    else
      lines.push(
        ...foldLine(line, width, {
          indent: ' '.repeat((gap.exec(line) ?? /^\s*/.exec(line))?.[0].length ?? 0),
        }),
      );
  }
  fill();
  return lines.join('\n');
}
