import { Command, Option } from 'commander';
import type { CommandContext } from '../context.ts';
import { addOutputOptions } from '../options.ts';
import { addValue, parseCount } from '../parse-values.ts';

const examples = `
Uses the system's own ssh with its configuration, keys and known hosts; nothing is asked, so ssh must get in by itself.
A login that is not root needs sudo without a password. Each host gets the executable for its architecture, unless it
has it, and the credentials that imgctl init made (never ca.key); then agent install runs there, and the agent is asked
from here whether it answers. Options of agent run follow after --.

Exit status: 0 every agent answers, 3 some do, 1 none does.

Examples:
  imgctl agent deploy --ssh root@10.0.4.17,root@10.0.4.18
  imgctl agent deploy --ssh ubuntu@node-1,ubuntu@node-2 --dir ./cluster
  imgctl agent deploy --ssh root@10.0.4.17 --ssh-option Port=2222 --ssh-option IdentityFile=~/.ssh/nodes`;

export function agentDeployCommand(context: CommandContext): Command {
  const command = new Command('deploy')
    .summary('install the agent on other hosts over ssh')
    .description('Installs the agent on other hosts over ssh, on all at once.')
    .argument('[options...]', 'options for agent run, after --')
    .requiredOption('--ssh <hosts>', 'hosts, apart by commas: [user@]host')
    .option('--dir <dir>', 'directory that imgctl init made (default: the configuration directory)')
    .option('--ssh-option <option>', 'option of ssh, Name=value; again for several', addValue)
    .option('--listen <host:port>', 'as for agent install, on every host', addValue)
    .option(
      '--executable-dir <dir>',
      'where imgctl-linux-x64 and imgctl-linux-arm64 are (default: beside the executable that runs)',
    )
    .addOption(new Option('--concurrency <n>', 'hosts at once').argParser(parseCount(1, 256)).default(16))
    .addOption(new Option('--remote-root <dir>', 'another root directory there').default('/').hideHelp());
  return addOutputOptions(command)
    .addHelpText('after', examples)
    .action(async (agentOptions: string[], options) => {
      const { parseAgentOptions } = await import('../agent-options.ts');
      const { deployAgents } = await import('../deploy-agents.ts');
      await deployAgents({ ...options, agentOptions: parseAgentOptions(agentOptions) }, context);
    });
}
