import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { addStoreOptions } from '../options.ts';
import { ctrExportCommand } from './ctr-export.ts';
import { ctrImportCommand } from './ctr-import.ts';
import { ctrListCommand } from './ctr-list.ts';
import { ctrRemoveCommand } from './ctr-rm.ts';
import { ctrTagCommand } from './ctr-tag.ts';

/** The commands that people know from containerd's own tool, with its names and aliases. */
export function ctrCommand(context: CommandContext): Command {
  const command = new Command('ctr')
    .description("Images in this machine's containerd, straight through its socket.")
    .enablePositionalOptions();
  return addStoreOptions(command).addCommand(
    new Command('image')
      .aliases(['images', 'i'])
      .summary('import, list, remove, tag and export images')
      .description("Images in this machine's containerd.")
      .enablePositionalOptions()
      .addCommand(ctrImportCommand(context))
      .addCommand(ctrListCommand(context))
      .addCommand(ctrRemoveCommand(context))
      .addCommand(ctrTagCommand(context))
      .addCommand(ctrExportCommand(context)),
  );
}
