import type { Command, CommanderError } from 'commander';
import { ImgctlError } from '../errors.ts';

/** What people type for it after years with other tools. */
const elsewhere: Readonly<Record<string, string>> = { load: 'import', push: 'import', apply: 'import' };

/**
 * What commander found wrong, as one of our errors: its message, its suggestion as the hint. A command that was typed
 * without its group, of `program`, is looked for in all of them; `load` has the program with every command.
 */
export async function usageError(
  error: CommanderError,
  command: string,
  program: string,
  load: () => Promise<Command>,
): Promise<ImgctlError> {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const unknown = /^unknown command '(.*)'$/.exec(first)?.[1] ?? '';
  const suggestion =
    /Did you mean (.*)\?/.exec(rest.join(' '))?.[1] ??
    (unknown !== '' && command === program ? inGroup(unknown, await load()) : undefined);
  const see = `See ${command} --help.`;
  return new ImgctlError('usage', first, {
    hint: suggestion === undefined ? see : `Did you mean ${suggestion}? ${see}`,
  });
}

/** `imgctl images import` of `import`: in the group that comes first. */
function inGroup(word: string, program: Command): string | undefined {
  const wanted = elsewhere[word] ?? word;
  for (const group of program.commands) {
    const found = group.commands.find((child) => [child.name(), ...child.aliases()].includes(wanted));
    if (found !== undefined) return `${program.name()} ${group.name()} ${found.name()}`;
  }
  return undefined;
}
