/**
 * A line of shell, as documents have them, as simple commands: lists of words. What is behind two spaces or ` # ` is a
 * remark; redirections are left out; `a|b` without spaces are alternatives, one word; `$ ` before a command is a prompt.
 */
export function simpleCommands(line: string): string[][] {
  const commands: string[][] = [[]];
  let skipNext = false;
  for (const word of wordsOf(line.replace(/^\$ /, ''))) {
    if (/^(\|\|?|&&?|;|\$\(|\)|\()$/.test(word)) commands.push([]);
    else if (/^\d*(<|>>?)$/.test(word)) skipNext = true;
    else if (/^\d*(<|>)/.test(word)) continue;
    else if (skipNext) skipNext = false;
    else commands.at(-1)?.push(word);
  }
  return commands.filter((words) => words.length > 0);
}

function wordsOf(line: string): string[] {
  const words: string[] = [];
  const token = /\s+#\s.*$|(\s{2,})|(\s)|(\$\(|[();])|((?:"[^"]*"|'[^']*'|[^\s();"'$]|\$(?!\())+)|(.)/gy;
  for (const [, gap, , mark, word, other] of line.matchAll(token)) {
    if (gap !== undefined && words.length > 0) break;
    const text = mark ?? word ?? other;
    if (text !== undefined) words.push(word === undefined ? text : unquoted(word));
  }
  return words;
}

function unquoted(word: string): string {
  return word.replace(
    /"([^"]*)"|'([^']*)'/g,
    (_, double?: string, single?: string) => double ?? single ?? '',
  );
}
