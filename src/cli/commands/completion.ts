import { Argument, Command } from 'commander';
import { printText } from '../../output/streams.ts';
import { type CompletionShell, completionShells } from '../completion/shells.ts';
import type { CommandContext } from '../context.ts';

const examples = `
Examples:
  imgctl completion bash > /etc/bash_completion.d/imgctl
  imgctl completion zsh > "\${fpath[1]}/_imgctl"
  imgctl completion fish > ~/.config/fish/completions/imgctl.fish`;

export function completionCommand(context: CommandContext): Command {
  return new Command('completion')
    .description('Prints a script that completes commands and options in a shell.')
    .addArgument(new Argument('<shell>', 'the shell').choices(completionShells))
    .addHelpText('after', examples)
    .action(async (shell: CompletionShell) => {
      const { buildProgram } = await import('../program.ts');
      const { completionScript } = await import('../completion/script.ts');
      const program = (await buildProgram(context)).name('imgctl');
      printText(context.io.stdout, completionScript(shell, program));
    });
}
