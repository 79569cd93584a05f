import { Command, Option } from 'commander';
import type { CommandContext } from '../context.ts';
import { addNodeOptions, addOutputOptions, type NodeOptions, type OutputOptions } from '../options.ts';

const examples = `
On this machine: containerd, its snapshotter and free disk, the agent's service, when the kubelet collects images, the
token, how long certificates are valid. Of the nodes: whether each answers, its version, its clock, and whether the
nodes reach each other. Nothing is changed.

Exit status: 0 nothing failed, 1 something did.

Examples:
  imgctl doctor
  imgctl doctor --nodes 10.0.4.17,10.0.4.18 --output json`;

export function doctorCommand(context: CommandContext): Command {
  const command = new Command('doctor').description(
    'Looks for what is wrong on this machine and on the nodes, and says what to do about it.',
  );
  addNodeOptions(command);
  return addOutputOptions(command)
    .addOption(new Option('--root <dir>', 'another root directory').default('/').hideHelp())
    .addHelpText('after', examples)
    .action(async (options: NodeOptions & OutputOptions & { root: string }) => {
      const { diagnose } = await import('../diagnose.ts');
      await diagnose(options, context);
    });
}
