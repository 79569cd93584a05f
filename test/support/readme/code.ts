/** The pieces of a Markdown document that are set as code, with the line on which each begins. */
export interface Code {
  readonly text: string;
  readonly line: number;
  /** Whether it stands in a sentence, where a command may be named without what it needs. */
  readonly inline: boolean;
}

export function codeOf(markdown: string): Code[] {
  const found: Code[] = [];
  let fence: string | undefined;
  let wasBlank = true;
  let wasIndented = false;
  let continued: Code | undefined;
  markdown.split('\n').forEach((text, i) => {
    const line = i + 1;
    const marks = /^\s*(```+|~~~+)/.exec(text)?.[1];
    if (marks !== undefined && (fence === undefined || text.trim() === fence)) {
      fence = fence === undefined ? marks : undefined;
      return;
    }
    const indented = /^(?: {4}|\t)/.test(text) && (wasBlank || wasIndented);
    wasBlank = text.trim() === '';
    wasIndented = indented || (wasIndented && wasBlank);
    if (fence === undefined && !indented) {
      for (const [, code = ''] of text.matchAll(/(?<!`)`([^`]+)`(?!`)/g))
        found.push({ text: code.replaceAll('\\|', '|'), line, inline: true });
      return;
    }
    const whole = continued === undefined ? text.trim() : `${continued.text} ${text.trim()}`;
    const code = { text: whole.replace(/\s*\\$/, ''), line: continued?.line ?? line, inline: false };
    continued = whole.endsWith('\\') ? code : undefined;
    if (continued === undefined && code.text !== '') found.push(code);
  });
  return found;
}
