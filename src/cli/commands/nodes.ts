import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { nodesListCommand } from './nodes-list.ts';

export function nodesCommand(context: CommandContext): Command {
  return new Command('nodes')
    .description('The nodes of the cluster, and the agents on them.')
    .addCommand(nodesListCommand(context));
}
