import { stripVTControlCharacters } from 'node:util';
import { foldLine } from './fold-line.ts';

/** Commands that hints tell. */
const command = /(?<=: )(?:imgctl|docker|systemctl|chmod|crictl|tar|cat) [^;]*$/;

/** Stands for a space that stays; no text that is printable has it. */
const glue = '\u0001';

/**
 * Warnings, errors and what else is said in sentences, for a terminal: cut between words, and set in. The command at a
 * hint's end stays in one line where that has room for it: it is there to be copied.
 */
export function foldRemarks(lines: readonly string[], columns: number): string[] {
  return lines.flatMap((line) => {
    const column = /^(?: +|(?:ok|warn|fail) {2,})/.exec(stripVTControlCharacters(line))?.[0].length ?? 0;
    const indent = ' '.repeat(line.startsWith(' ') || column === 0 ? column + 2 : column);
    const found = command.exec(line);
    if (found === null || found[0].length > columns - indent.length)
      return foldLine(line, columns, { indent });
    const glued = line.slice(0, found.index) + found[0].replaceAll(' ', glue);
    return foldLine(glued, columns, { indent }).map((part) => part.replaceAll(glue, ' '));
  });
}

/** What a command did, in sentences; what is set in columns, or is there to be copied, keeps its lines. */
export function foldSentences(lines: readonly string[], columns: number): string[] {
  return lines.flatMap((line) =>
    /^[A-Z]\w* /.test(line) && !line.includes('  ') ? foldRemarks([line], columns) : [line],
  );
}
