import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { imagesDirCommand } from './images-dir.ts';
import { imagesImportCommand } from './images-import.ts';
import { imagesListCommand } from './images-list.ts';
import { imagesPullCommand } from './images-pull.ts';
import { imagesRemoveCommand } from './images-rm.ts';
import { imagesSyncCommand } from './images-sync.ts';

export function imagesCommand(context: CommandContext): Command {
  return new Command('images')
    .description('Images on every node of the cluster, through the agents there.')
    .addCommand(imagesImportCommand(context))
    .addCommand(imagesPullCommand(context))
    .addCommand(imagesListCommand(context))
    .addCommand(imagesRemoveCommand(context))
    .addCommand(imagesSyncCommand(context))
    .addCommand(imagesDirCommand(context));
}
