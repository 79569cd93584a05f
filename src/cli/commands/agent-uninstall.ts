import { Command, Option } from 'commander';
import type { CommandContext } from '../context.ts';
import { addOutputOptions, type OutputOptions } from '../options.ts';

const examples = `
Images stay in the node's image store. What is not there is fine.

Examples:
  imgctl agent uninstall
  imgctl agent uninstall --purge`;

interface Options extends OutputOptions {
  readonly purge?: boolean;
  readonly root: string;
}

export function agentUninstallCommand(context: CommandContext): Command {
  const command = new Command('uninstall')
    .summary('remove the agent from this node')
    .description('Stops the service that agent install made, and removes it and its executable.')
    .option('--purge', 'remove /etc/imgctl and /var/lib/imgctl too: credentials, token, unfinished transfers')
    .addOption(new Option('--root <dir>', 'another root directory').default('/').hideHelp());
  return addOutputOptions(command)
    .addHelpText('after', examples)
    .action(async ({ purge = false, root, ...options }: Options) => {
      const { env, signal } = context.io;
      const { uninstallAgent } = await import('../../deploy/systemd/uninstall.ts');
      const { pathsBelow } = await import('../../deploy/systemd/node-paths.ts');
      const { StepTeller } = await import('../step-teller.ts');
      const steps = new StepTeller(await context.reporter(options), options);
      await uninstallAgent(pathsBelow(root), { purge, env, signal, onStep: steps.tell });
      steps.done('the agent is not on this node any more');
    });
}
