/**
 * What an archive or a peer says ends up on a terminal: control characters, with them escape sequences, and marks
 * that turn the direction of writing are taken out, line ends too.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ');
}
