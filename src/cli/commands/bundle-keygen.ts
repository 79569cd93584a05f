import { basename, dirname, resolve } from 'node:path';
import { Command } from 'commander';
import { ImgctlError } from '../../errors.ts';
import type { CommandContext } from '../context.ts';
import { addOutputOptions, type OutputOptions } from '../options.ts';

const examples = `
Writes NAME.key, which signs and stays secret, and NAME.pub, which verifies and goes to everybody. They are keys of minisign
without a password; minisign's own (minisign -G -W) do as well. Nothing is replaced.

Examples:
  imgctl bundle keygen
  imgctl bundle keygen release`;

export function bundleKeygenCommand(context: CommandContext): Command {
  const command = new Command('keygen')
    .summary('make a key pair to sign bundles with')
    .description('Makes a key pair: one file to sign bundles with, one to verify them with.')
    .argument('[name]', 'of the two files, without their ends', 'bundle');
  return addOutputOptions(command)
    .addHelpText('after', examples)
    .action(async (name: string, options: OutputOptions) => {
      const { newKeyPair } = await import('../../trust/minisign-key.ts');
      const { publishNew } = await import('../../trust/publish-files.ts');
      const reporter = await context.reporter(options);
      const [path, file] = [resolve(name), basename(name)];
      const { id, publicText, secretText } = newKeyPair();
      const files = [
        { name: `${file}.key`, text: secretText, secret: true },
        { name: `${file}.pub`, text: publicText, secret: false },
      ];
      await publishNew(dirname(path), files).catch((cause: NodeJS.ErrnoException) => {
        const why = cause.code === 'EEXIST' ? 'is there already' : `cannot be written: ${cause.message}`;
        throw new ImgctlError('usage', `${name}.key or ${name}.pub ${why}`, {
          hint: 'Name others: imgctl bundle keygen NAME',
          cause,
        });
      });
      reporter.done(
        [
          `Wrote ${name}.key, which signs: keep it secret. imgctl bundle create --sign ${name}.key`,
          `Wrote ${name}.pub, which verifies (key ${id}). imgctl images import --verify-key ${name}.pub`,
        ],
        { id, secretKey: `${name}.key`, publicKey: `${name}.pub` },
      );
    });
}
