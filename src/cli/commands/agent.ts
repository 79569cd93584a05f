import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { agentDeployCommand } from './agent-deploy.ts';
import { agentImageCommand } from './agent-image.ts';
import { agentInstallCommand } from './agent-install.ts';
import { agentManifestCommand } from './agent-manifest.ts';
import { agentRunCommand } from './agent-run.ts';
import { agentUninstallCommand } from './agent-uninstall.ts';

export function agentCommand(context: CommandContext): Command {
  return new Command('agent')
    .description("The agent: a node's image store behind an HTTP API, one on each node.")
    .addCommand(agentRunCommand(context))
    .addCommand(agentInstallCommand(context))
    .addCommand(agentUninstallCommand(context))
    .addCommand(agentDeployCommand(context))
    .addCommand(agentImageCommand(context))
    .addCommand(agentManifestCommand(context));
}
