import { Command, Option } from 'commander';
import type { CommandContext } from '../context.ts';
import { addOutputOptions } from '../options.ts';
import { addValue } from '../parse-values.ts';

const examples = `
Needs root. What it does, step by step: copies the executable to /usr/local/bin/imgctl, the credentials to /etc/imgctl
(never ca.key), writes the unit imgctl-agent.service, starts it, and waits until the agent is ready. Again is an
upgrade: what is right already stays. Without credentials the agent listens on loopback only, with a token of its own.
Options of agent run follow after --.

Examples:
  imgctl agent install --dir /root/cluster
  imgctl agent install --listen 10.0.4.17:25000
  imgctl agent install --dry-run
  imgctl agent install -- --max-imports 8 --max-rate 200M
  imgctl agent install -- --images-dir /var/lib/rancher/k3s/agent/images --images-dir-prune`;

export function agentInstallCommand(context: CommandContext): Command {
  const command = new Command('install')
    .summary('install the agent on this node as a service')
    .description('Installs the agent on this node as a service of systemd, and starts it.')
    .argument('[options...]', 'options for agent run, after --')
    .option(
      '--dir <dir>',
      'directory that imgctl init made (default: the configuration directory, where it has credentials)',
    )
    .option(
      '--listen <host:port>',
      'address to listen on, again for several (default: every address with TLS, else loopback; port 25000, on MicroK8s 25001)',
      addValue,
    )
    .option('--store <store>', 'as for agent run')
    .option('--name <node>', 'as for agent run')
    .option('--insecure-http', 'allow addresses beyond loopback without TLS')
    .option('--executable <file>', 'what to copy (default: the executable that runs)')
    .option('--dry-run', 'show the unit, files and commands, and do nothing')
    .addOption(new Option('--root <dir>', 'another root directory').default('/').hideHelp());
  return addOutputOptions(command)
    .addHelpText('after', examples)
    .action(async (agentOptions: string[], options) => {
      const { parseAgentOptions } = await import('../agent-options.ts');
      const { installHere } = await import('../install-agent.ts');
      await installHere({ ...options, agentOptions: parseAgentOptions(agentOptions) }, context);
    });
}
