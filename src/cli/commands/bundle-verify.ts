import { Command, Option } from 'commander';
import type { CommandContext } from '../context.ts';
import { addOutputOptions, addSpoolOption, type OutputOptions, type SpoolOptions } from '../options.ts';
import { addPlatforms, addValue } from '../parse-values.ts';

const examples = `
Reads all of a bundle: every blob against its digest, every layer against what the image says it unpacks to, and
whether each platform that is there has all of its parts. --platform names platforms that every image must have.

Exit status: 0 an import can rely on it, 4 it is damaged or lacks something, 5 it is not
signed with the key that was named, 2 there is no such file.

Examples:
  imgctl bundle verify bundle.tar.zst
  imgctl bundle verify bundle.tar.zst --verify-key release.pub
  imgctl bundle verify bundle.tar --platform linux/amd64,linux/arm64`;

interface Options extends OutputOptions, SpoolOptions {
  readonly platform?: readonly string[];
  readonly base?: readonly string[];
  readonly verifyKey?: string;
}

export function bundleVerifyCommand(context: CommandContext): Command {
  const command = new Command('verify')
    .summary('read all of a bundle, and say whether it is sound')
    .description('Reads all of a bundle, and says whether it is sound and whole.')
    .argument('[file...]', 'the bundle, or all of its parts; - is standard input, and the default')
    .addOption(
      new Option(
        '--platform <platform>',
        'a platform that every image must have; again or with commas for several',
      ).argParser(addPlatforms),
    );
  command.addOption(
    new Option(
      '--base <file>',
      'of a delta bundle: the one that it builds upon, to look for the rest in it; again for each of its parts',
    ).argParser(addValue),
  );
  command.option('--verify-key <file>', 'minisign public key that it must be signed with');
  return addOutputOptions(addSpoolOption(command))
    .addHelpText('after', examples)
    .action(async (files: string[], options: Options) => {
      const { checkBundle } = await import('../check-bundle.ts');
      await checkBundle(files, options, context);
    });
}
