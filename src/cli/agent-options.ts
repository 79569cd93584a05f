import { ImgctlError } from '../errors.ts';

/** What stands after `--`, for `agent run`: options, and so the first begins with a dash. @throws ImgctlError `usage` */
export function parseAgentOptions(words: readonly string[]): readonly string[] {
  const [first] = words;
  if (first === undefined || first.startsWith('-')) return words;
  throw new ImgctlError('usage', `not an option: ${JSON.stringify(first.slice(0, 200))}`, {
    hint: 'Options for agent run follow after --, for example: -- --max-imports 8.',
  });
}
