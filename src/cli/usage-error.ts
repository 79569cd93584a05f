import type { CommanderError } from 'commander';
import { ImgctlError } from '../errors.ts';

/** What commander found wrong, as one of our errors: its message, its suggestion as the hint. */
export function usageError(error: CommanderError, command: string): ImgctlError {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const suggestion = /Did you mean (.*)\?/.exec(rest.join(' '))?.[1];
  const see = `See ${command} --help.`;
  return new ImgctlError('usage', first, {
    hint: suggestion === undefined ? see : `Did you mean ${suggestion}? ${see}`,
  });
}
