import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { bundleCreateCommand } from './bundle-create.ts';
import { bundleInspectCommand } from './bundle-inspect.ts';
import { bundleKeygenCommand } from './bundle-keygen.ts';
import { bundleVerifyCommand } from './bundle-verify.ts';

export function bundleCommand(context: CommandContext): Command {
  return new Command('bundle')
    .description('Bundles: archives that carry images to where no registry is.')
    .addCommand(bundleCreateCommand(context))
    .addCommand(bundleInspectCommand(context))
    .addCommand(bundleKeygenCommand(context))
    .addCommand(bundleVerifyCommand(context));
}
